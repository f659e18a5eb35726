"""Bugs of cli/train.py: name: (function, code, what it becomes, the test that must fail)."""

FILE = "cli/train.py"

BUGS = {
    "a signal stops one process only": (
        "fit", "averaged(len(caught))", "len(caught)",
        "test_parallel.py::test_a_signal_to_any_process_stops_all_after_the_same_step"),
    "the first save comes late": (
        "fit", "time.monotonic() if run.step else -math.inf", "time.monotonic()",
        "test_resume.py::test_the_first_step_is_saved"),
    "a full disk loses the run": (
        "saving", "folder.save(run)", "None",
        "test_cli.py::test_a_full_disk_saves_the_run_if_it_can"),
    "a hangup is not noticed": (
        "stopping", "{signal.SIGINT, signal.SIGTERM}", "{signal.SIGINT}",
        "test_cli.py::test_a_run_that_is_interrupted_and_resumed_is_the_same_run"),
    "the command that goes on isn't quoted": (
        "again", "shlex.join([*start, '-m', 'ddpm_lite', *args.line, *more])",
        "' '.join([*start, '-m', 'ddpm_lite', *args.line, *more])",
        "test_cli.py::test_the_command_that_is_printed_goes_on_with_the_run"),
    "a run is shortened below its step": (
        "prolong", "steps < run.step", "False",
        "test_cli.py::test_a_fault_is_one_sentence_and_nothing_is_lost"),
    "signal at T isn't said": (
        "describe", "left > 0.05", "False",
        "test_cli.py::test_a_schedule_that_leaves_signal_at_T_is_said"),
}  # fmt: skip
