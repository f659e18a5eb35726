"""The commands of ``python -m ddpm_lite``, one file each, and what they share: recipes and runs."""
