"""Bugs of checkpoint.py: name: (function, code, what it becomes, the test that must fail)."""

PART = 'path.with_name(f"{path.name}.{os.getpid()}.part")'
LEFT = "test_a_failed_write_leaves_the_old_checkpoint_and_no_litter"
CHECKSUM = "hashlib.sha256(blob[:-32]).digest() != blob[-32:]"

BUGS = {
    "what cannot be loaded is saved": (
        "save_checkpoint", "_check_state(state, 'the state')", "None",
        "test_what_could_not_be_loaded_is_not_saved"),
    "a device that is not there is blamed on the file": (
        "load_checkpoint", "_check_device(device)", "None",
        "test_a_device_that_is_not_there_is_not_the_fault_of_the_file"),
    "a packed checkpoint is unpacked": (
        "load_checkpoint", "_check_size(path, blob)", "None",
        "test_a_small_file_that_unpacks_to_a_large_one_is_refused"),
    "a checkpoint that is written in place": ("write_atomic", PART, "path", LEFT),
    "a process killed while it writes in place": (
        "write_atomic", PART, "path",
        "test_a_process_killed_while_it_writes_leaves_the_old_checkpoint"),
    "litter after a failed write": ("write_atomic", "part.unlink(missing_ok=True)", "None", LEFT),
    "bytes that are still in memory": ("write_atomic", "os.fsync(file.fileno())", "None", LEFT),
    "a device is written over": (
        "write_atomic", "path.exists() and not path.is_file()", "False",
        "test_what_is_no_file_is_not_written_over"),
    "a link is replaced": (
        "write_atomic", "Path(os.path.realpath(path))", "Path(path)", "test_a_link_stays_a_link"),
    "the checksum is not looked at": (
        "load_checkpoint", CHECKSUM, "False", "test_a_checkpoint_with_one_wrong_bit_is_refused"),
    "code in a checkpoint runs": (
        "load_checkpoint", "weights_only=True", "weights_only=False",
        "test_a_malicious_checkpoint_is_never_executed"),
    "the unpickler's own errors come out": (
        "load_checkpoint", "Exception", "RuntimeError",
        "test_a_forged_checksum_lets_nothing_but_a_checkpoint_error_out"),
    "torch's advice shows": (
        "load_checkpoint", "None", "ValueError('weights_only=False')",
        "test_a_malicious_checkpoint_is_never_executed"),
    "a folder is opened": (
        "load_checkpoint", "not path.is_file()", "False",
        "test_a_missing_file_and_a_folder_are_named"),
    "a JPEG that is a PNG": (
        "_image_file", "'jpeg' if suffix == '.jpg' else suffix[1:]", "'png'",
        "test_a_file_holds_what_its_suffix_says"),
    "channels first in an array": (
        "save_images", "small.permute(0, 2, 3, 1)", "small",
        "test_an_array_has_each_image_with_channels_last"),
    "a wild pixel wraps around": (
        "save_images", "x.detach().cpu().float().clamp(-1, 1)", "x.detach().cpu().float()",
        "test_an_array_has_each_image_with_channels_last"),
    "the images of a grid in columns": (
        "_grid", "n, c, _, w = images.shape",
        "images = images.flip(0)\nn, c, _, w = images.shape",
        "test_a_grid_has_the_images_in_reading_order_with_white_lines_between"),
    "images with NaN are written": (
        "_check_images", "x.isfinite().all()", "True",
        "test_faults.py::test_a_fault_is_refused_in_one_sentence[images with NaN in a file]"),
    "bytes are written as if they were in -1 … 1": (
        "_check_images", "not isinstance(x, Tensor) or not x.is_floating_point()", "False",
        "test_faults.py::test_a_fault_is_refused_in_one_sentence[bytes in a file]"),
    "any suffix is a PNG": (
        "check_image_path",
        "path.suffix.lower() not in ('', '.png', '.jpg', '.jpeg', '.webp', '.npy', '.npz')",
        "False", "test_faults.py::"
        "test_a_fault_is_refused_in_one_sentence[images in a file of another kind]"),
}  # fmt: skip
