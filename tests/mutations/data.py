"""Bugs of data.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "E4 digits in 0 … 1": (
        "_digits", "x[part, None].float() / 8 - 1", "x[part, None].float() / 16",
        "test_digits_lie_in_minus_one_to_one"),
    "E4 images in 0 … 1": (
        "_torchvision",
        "(x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)).float() / 127.5 - 1",
        "(x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)).float() / 255",
        "test_mnist_files_are_read_as_they_lie_there"),
    "colours last": (
        "_torchvision", "x.permute(0, 3, 1, 2)", "x.permute(0, 3, 2, 1)",
        "test_cifar10_files_are_read_as_they_lie_there"),
    "the two parts overlap": (
        "_digits", "order[1437:]", "order[1400:]",
        "test_the_two_parts_of_the_digits_are_disjoint_and_complete"),
    "labels of other rows": (
        "_digits", "y[part]", "y[part.flip(0)]",
        "test_the_two_parts_of_the_digits_are_disjoint_and_complete"),
    "each part decides its own channels": (
        "image_folder", "grey if train or channels else "
        "_each(_is_grey, [p for p, _ in _part(folder, True)[0]])", "grey",
        "test_the_training_part_decides_how_many_channels_both_parts_have"),
    "each part is scaled by its own range": (
        "_array", "[x, *both]", "[x]", "test_both_parts_of_an_array_are_scaled_alike"),
    "colours are averaged": (
        "_fit", "[0.299, 0.587, 0.114]", "[1 / 3, 1 / 3, 1 / 3]",
        "test_an_array_is_cropped_at_its_centre_and_made_grey_as_eyes_see_it"),
    "a download that fails is not explained": (
        "_download", "Exception", "ZeroDivisionError",
        "test_without_a_network_one_sentence_says_what_to_do"),
    "Python objects in an array are unpacked": (
        "_arrays", "allow_pickle=False", "allow_pickle=True",
        "test_an_array_that_is_no_image_set_gets_a_sentence"),
}  # fmt: skip
