"""Bugs of cli/folder.py: name: (function, code, what it becomes, the test that must fail)."""

FILE = "cli/folder.py"
RESUME = "test_resume.py::test_"

BUGS = {
    "every process writes the checkpoint": (
        "RunFolder.save", "rank()", "False",
        "test_parallel.py::test_a_run_goes_on_with_another_number_of_processes"),
    "the log is not cut": (
        "RunFolder.open_log", "int(m[1]) < step", "True",
        RESUME + "lines_of_steps_that_are_made_once_more_are_cut_off"),
    "the lock is ignored": (
        "locked", "lock.acquire(timeout=0)", "None", RESUME + "a_folder_in_use_is_refused_by_name"),
    "the lock of a dead process is respected": (
        "locked", "lock, owner = (FileLock(path), path.with_name('lock.txt'))",
        "lock, owner = (FileLock(path), path.with_name('lock.txt'))\nif owner.exists():\n"
        " raise OSError('in use')", RESUME + "the_lock_of_a_killed_process_is_taken_over"),
    "halves of files stay": (
        "tidy", "file.unlink()", "None",
        RESUME + "what_a_killed_process_left_is_removed_and_nothing_else"),
    "files of others are removed": (
        "tidy", "re.fullmatch(HALF, file.name)", "file.suffix == '.part'",
        RESUME + "what_a_killed_process_left_is_removed_and_nothing_else"),
    "somebody else's log is a run": (
        "tidy", "log in files and re.match(LINE, log.read_bytes())", "log in files",
        "test_cli.py::test_a_fault_is_one_sentence_and_nothing_is_lost"),
}  # fmt: skip
