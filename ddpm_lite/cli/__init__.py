"""The commands of ``python -m ddpm_lite``, one file each, and the recipes and runs that they
share."""
