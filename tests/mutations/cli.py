"""Bugs of the command line, a table for each file: name: (function, code, what it becomes, the
test that must fail)."""

PARALLEL, RESUME = "test_parallel.py::test_", "test_resume.py::test_"
NUMBER = PARALLEL + "a_run_goes_on_with_another_number_of_processes"
FAST = PARALLEL + "what_makes_a_gpu_fast_gives_the_same_losses"
BITS = PARALLEL + "a_resumed_fast_run_is_the_uninterrupted_one_bit_for_bit"
LEFT = RESUME + "what_a_killed_process_left_is_removed_and_nothing_else"
SQUARED = "test_cli.py::test_the_loss_of_a_run_is_the_squared_error_of_its_target"
TENTH = "test_cli.py::test_a_tenth_of_the_labels_is_dropped_and_each_time_is_drawn"
SEEDED = "torch.manual_seed(recipe.seed * 1_000_003 + step)"
STREAM = "batches(x, y, recipe.batch, recipe.seed, self.step, workers, **share)"
TEAM = "DistributedDataParallel(self.net) if world() > 1 else self.net"

RUN = {
    "noise of its own in each process": (
        "Run.chance", SEEDED, SEEDED.replace("step", "step + rank()"), NUMBER),
    "the loss of process 0 alone": ("Run.advance", "averaged(loss)", "loss", NUMBER),
    "gradients are not averaged": ("Run.advance", TEAM, "self.net", NUMBER),
    "all processes draw for the same rows": (
        "Run.chance", "a.chunk(world())[rank()]", "a.chunk(world())[0]", NUMBER),
    "all processes take the same images": (
        "Run.advance", "{'rank': rank(), 'world': world()}", "{'rank': 0, 'world': world()}",
        NUMBER),
    "the same units are dropped in each process": (
        "Run.chance", "torch.manual_seed(torch.initial_seed() + 1_000_003 * 5000 * rank())",
        "None", PARALLEL + "dropout_differs_from_process_to_process"),
    "the sum of the parts for their mean": (
        "Run.loss", "ddpm_loss(model, self.schedule, x, target, t, eps) / n",
        "ddpm_loss(model, self.schedule, x, target, t, eps)", FAST),
    "channels last in name only": (
        "Run.__init__", "net.to(memory_format=torch.channels_last)", "None", FAST),
    "mixed precision in name only": ("Run.advance", "recipe.amp", "False", FAST),
    "all parts but the last are lost": ("Run.loss", "loss.backward()", "None", FAST),
    "the loss of the last part alone is logged": (
        "Run.loss", "done += loss.detach()", "", FAST),
    "a batch is mirrored as a whole": (
        "Run.chance", "torch.rand(n, 1, 1, 1, device=device)", "torch.rand(1, device=device)",
        PARALLEL + "every_other_image_is_mirrored"),
    "images are turned upside down": (
        "Run.chance", "x.flip(3)", "x.flip(2)", PARALLEL + "every_other_image_is_mirrored"),
    "each process has a clock of its own": (
        "clock", "averaged(time.perf_counter())", "time.perf_counter()",
        PARALLEL + "processes_share_one_clock"),
    "a resumed run has an optimizer without memory": (
        "Run.load", "{'net', 'ema', 'optimizer'}", "{'net', 'ema'}", BITS),
    "a resumed run has the average of random weights": (
        "Run.load", "{'net', 'ema', 'optimizer'}", "{'net', 'optimizer'}", BITS),
    "a resumed run sees the images from the start again": (
        "Run.advance", STREAM, STREAM.replace("self.step", "0"), BITS),
    "a resumed run begins at step 1": (
        "Run.load", "run.step, run.about = state['step'], state['about']",
        "run.about = state['about']", BITS),
    "every run learns the noise": (
        "Run.loss", "TARGETS[self.recipe.target]", "TARGETS['eps']", SQUARED),
    "labels are left out in training": (
        "Run.loss", "partial(net, y=y) if self.recipe.conditional else net", "net", SQUARED),
    "no label is dropped": ("Run.chance", "0.1 * recipe.conditional", "0.0", TENTH),
    "labels are dropped without labels": (
        "Run.chance", "0.1 * recipe.conditional", "0.1", TENTH),
    "the last time is never drawn": (
        "Run.chance", "torch.randint(1, recipe.T + 1, (n,), device=device)",
        "torch.randint(1, recipe.T, (n,), device=device)", TENTH),
    "pictures on the way change the run": (
        "Run.chance", SEEDED, "None", RESUME + "pictures_on_the_way_change_nothing"),
}  # fmt: skip

FOLDER = {
    "every process writes the checkpoint": (
        "RunFolder.save", "if rank():\n    return", "", NUMBER),
    "the log is not cut": (
        "RunFolder.open_log", "(m := re.fullmatch(LINE, line)) and int(m[1]) < step",
        "re.fullmatch(LINE, line)",
        RESUME + "lines_of_steps_that_are_made_once_more_are_cut_off"),
    "the lock is ignored": (
        "locked", "lock.acquire(timeout=0)", "None",
        RESUME + "a_folder_in_use_is_refused_by_name"),
    "the lock of a dead process is respected": (
        "locked", "FileLock(path)", "__import__('filelock').SoftFileLock(path)",
        RESUME + "the_lock_of_a_killed_process_is_taken_over"),
    "halves of files stay": ("tidy", "file.unlink()", "None", LEFT),
    "files of others are removed": (
        "tidy", "re.fullmatch(HALF, file.name)", "file.suffix == '.part'", LEFT),
}  # fmt: skip

TRAIN = {
    "a signal stops one process only": (
        "fit", "averaged(len(caught))", "caught",
        PARALLEL + "a_signal_to_any_process_stops_all_after_the_same_step"),
    "the first save comes late": (
        "fit", "time.monotonic() if run.step else -math.inf", "time.monotonic()",
        RESUME + "the_first_step_is_saved"),
}  # fmt: skip

DISTRIBUTED = {
    "shares that are not equal": (
        "check_shares", "batch % (world() * parts)", "False",
        PARALLEL + "a_batch_that_cannot_be_shared_is_refused_once"),
    "every process speaks": (
        "say", "not rank()", "True", PARALLEL + "two_processes_train_the_run_of_one"),
}  # fmt: skip

FILES = {
    "cli/run.py": RUN,
    "cli/folder.py": FOLDER,
    "cli/train.py": TRAIN,
    "cli/distributed.py": DISTRIBUTED,
}
