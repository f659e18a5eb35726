"""Bugs of cli/distributed.py: name: (function, code, what it becomes, the test that must fail)."""

FILE = "cli/distributed.py"

BUGS = {
    "shares that are not equal": (
        "check_shares", "batch % (world() * parts)", "False",
        "test_parallel.py::test_a_batch_that_cannot_be_shared_is_refused_once"),
    "every process speaks": (
        "say", "not rank()", "True", "test_parallel.py::test_two_processes_train_the_run_of_one"),
}  # fmt: skip
