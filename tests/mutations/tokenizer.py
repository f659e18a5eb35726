"""Bugs of tokenizer.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "the shortest piece is taken": (
        "Tokenizer.split", "max(fits, key=len)", "min(fits, key=len)",
        "test_words_are_split_from_the_left_into_the_longest_pieces"),
    "endings are forgotten": (
        "Tokenizer.split", "word[len(found[-1]):]", "''",
        "test_words_are_split_from_the_left_into_the_longest_pieces"),
    "capitals are unknown words": (
        "Tokenizer.split", "caption.lower()", "caption",
        "test_words_are_split_from_the_left_into_the_longest_pieces"),
    "a caption doesn't begin with the start": (
        "Tokenizer.split", "['<start>']", "[]",
        "test_rows_begin_with_the_start_and_end_with_padding"),
    "words are sorted": (
        "Tokenizer.split", "caption.lower().split()", "sorted(caption.lower().split())",
        "test_the_order_of_the_words_is_the_order_of_the_tokens"),
    "padding is a start": (
        "Tokenizer.__call__", "PAD", "PAD + 1",
        "test_rows_begin_with_the_start_and_end_with_padding"),
    "the longest caption is refused": (
        "_check_length", "longest <= length", "longest < length",
        "test_a_caption_that_does_not_fit_is_refused"),
}  # fmt: skip
