"""Bugs of cli/run.py: name: (function, code, what it becomes, the test that must fail)."""

FILE = "cli/run.py"
MANY = "test_parallel.py::test_a_run_goes_on_with_another_number_of_processes"
FAST = "test_parallel.py::test_what_makes_a_gpu_fast_gives_the_same_losses"
AGAIN = "test_parallel.py::test_a_resumed_fast_run_is_the_uninterrupted_one_bit_for_bit"
MIRROR = "test_parallel.py::test_every_other_image_is_mirrored"
SEEDED = "torch.manual_seed(recipe.seed * 1000003 + step)"

BUGS = {
    "noise of its own in each process": (
        "Run.chance", SEEDED, "torch.manual_seed(recipe.seed * 1000003 + step + rank())", MANY),
    "the loss of process 0 alone": ("Run.advance", "averaged(loss)", "loss", MANY),
    "gradients are not averaged": (
        "Run.advance", "DistributedDataParallel(self.net) if world() > 1 else self.net", "self.net",
        MANY),
    "all processes take the same rows": (
        "Run.chance", "a.chunk(world())[rank()]", "a.chunk(world())[0]", MANY),
    "all processes read the same images": ("Run.advance", "rank()", "0", MANY),
    "the same units are dropped in each process": (
        "Run.chance", "if rank():\n torch.manual_seed(torch.initial_seed() + 1000003 * 5000 * "
        "rank())", "", "test_parallel.py::test_dropout_differs_from_process_to_process"),
    "the sum of the parts for their mean": (
        "Run.loss", "ddpm_loss(model, self.schedule, x, target, t, eps) / n",
        "ddpm_loss(model, self.schedule, x, target, t, eps)", FAST),
    "all parts but the last are lost": ("Run.loss", "loss.backward()", "None", FAST),
    "the loss of the last part alone is logged": ("Run.loss", "done += loss.detach()", "", FAST),
    "channels last in name only": (
        "Run", "net.to(memory_format=torch.channels_last)", "net",
        "test_parallel.py::test_channels_last_is_a_layout_of_the_weights"),
    "mixed precision in name only": ("Run.advance", "recipe.amp", "False", FAST),
    "a batch is mirrored as a whole": (
        "Run.chance", "torch.rand(n, 1, 1, 1, device=device)",
        "torch.rand(1, 1, 1, 1, device=device).expand(n, 1, 1, 1)", MIRROR),
    "images are turned upside down": ("Run.chance", "x.flip(3)", "x.flip(2)", MIRROR),
    "each process has a clock of its own": (
        "clock", "averaged(time.perf_counter())", "time.perf_counter()",
        "test_parallel.py::test_processes_share_one_clock"),
    "a resumed run has an optimizer without memory": (
        "Run.load", "{'net', 'ema', 'optimizer'}", "{'net', 'ema'}", AGAIN),
    "a resumed run has the average of random weights": (
        "Run.load", "{'net', 'ema', 'optimizer'}", "{'net', 'optimizer'}", AGAIN),
    "a resumed run sees the images from the start again": (
        "Run.advance", "batches(x, y, recipe.batch, recipe.seed, self.step, workers, **share)",
        "batches(x, y, recipe.batch, recipe.seed, 0, workers, **share)", AGAIN),
    "a resumed run draws the noise of step 1 again": (
        "Run.advance", "steps = train(net, stream, self.loss, recipe.steps, "
        "warmup_cosine(recipe.lr), **rest)", "self.step = 0\nsteps = train(net, stream, self.loss, "
        "recipe.steps, warmup_cosine(recipe.lr), **rest)", AGAIN),
    "samples on the way change the run": (
        "Run.chance", SEEDED, "None", "test_resume.py::test_pictures_on_the_way_change_nothing"),
    "labels are dropped without being learned": (
        "Run.chance", "0.1 * recipe.conditional", "0.1",
        "test_parallel.py::test_every_recipe_makes_a_step"),
    "the last weights are sampled": (
        "Run.model", "self.ema.model", "self.net",
        "test_cli.py::test_averaged_weights_are_drawn_with"),
    "fine-tuning begins with random weights": (
        "Run", "self.net.load_state_dict(self.net.state_dict() | known)", "None",
        "test_cli.py::test_a_run_starts_from_the_weights_of_another"),
}  # fmt: skip
