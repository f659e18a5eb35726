"""Bugs of batches.py: name: (function, code, what it becomes, the test that must fail)."""

FAULT = "test_faults.py::test_a_fault_is_refused_in_one_sentence[{}]"

BUGS = {
    "rows with replacement": (
        "_order", "torch.randperm(n, generator=generator)",
        "torch.randint(n, (n,), generator=generator)", "test_an_epoch_has_every_row_once"),
    "every epoch in the same order": (
        "_order", "seed * 1_000_003 + epoch", "seed * 1_000_003",
        "test_an_epoch_has_every_row_once"),
    "start goes back to the beginning of its epoch": (
        "_order", "order.view(per_epoch, size)[skip:]", "order.view(per_epoch, size)",
        "test_start_goes_on_where_the_stream_was"),
    "labels are not those of the rows": (
        "batches", "y[rows]", "y[: len(rows)]", "test_rows_and_labels_stay_together"),
    "each process takes the same part": (
        "batches", "rows.chunk(world)[rank]", "rows.chunk(world)[0]",
        "test_the_parts_of_several_processes_make_the_batch"),
    "data are not checked": (
        "_check_data", "check_data(x)", "None",
        FAULT.format("a stream of bytes")),
    "labels are not checked": (
        "_check_data", "_check_conditions(y, len(data), x.device)", "None",
        FAULT.format("labels are fewer than images")),
}  # fmt: skip
