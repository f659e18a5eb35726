"""Bugs of cli/sample.py: name: (function, code, what it becomes, the test that must fail)."""

FILE = "cli/sample.py"

BUGS = {
    "an existing file is written over": (
        "check_out", "taken and not overwrite", "False",
        "test_cli.py::test_a_fault_is_one_sentence_and_nothing_is_lost"),
    "any path is drawn for": (
        "check_out", "check_image_path(path)", "None",
        "test_cli.py::test_what_cannot_be_written_is_refused_before_it_is_drawn"),
    "an unknown label is another one": (
        "label_numbers", "label not in known", "False",
        "test_cli.py::test_a_fault_is_one_sentence_and_nothing_is_lost"),
}  # fmt: skip
