"""Bugs of pages.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "the high byte comes first": (
        "as_int16", "row.view(torch.uint8).tolist()",
        "row.view(torch.uint8).flip(0).tolist()",
        "test_the_file_for_the_page_holds_the_weights_to_two_bytes"),
    "the units are lost": (
        "as_int16", "{'shape': list(v.shape), 'scale': units[k]}",
        "{'shape': list(v.shape), 'scale': 1.0}",
        "test_the_file_for_the_page_holds_the_weights_to_two_bytes"),
    "a label's name may have any length": (
        "_check_net", "len(name) < 20", "len(name) < 200",
        "test_a_file_needs_names_that_the_page_shows"),
}  # fmt: skip
