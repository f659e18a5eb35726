"""Bugs of metrics.py: name: (function, code, what it becomes, the test that must fail)."""

KNOWN = "test_frechet_distance_of_gaussians_with_known_statistics"
SELF = "test_frechet_distance_to_itself_is_zero"
LINE = "test_frechet_distance_in_one_dimension_is_a_sum_of_two_squares"
BALLS = "test_the_manifold_reaches_to_the_kth_neighbour"
COPIES = "test_nearest_finds_copies"

BUGS = {
    "half the cross term": ("frechet_gaussians", "2 * cross", "cross", KNOWN),
    "the distance of the means is not squared": (
        "frechet_gaussians", "(mean_a - mean_b).square().sum()", "(mean_a - mean_b).norm()", LINE),
    "the root of A times the root of B": (
        "frechet_gaussians", "_sqrt(root @ cov_b @ root).trace()",
        "(root @ _sqrt(cov_b)).trace()", KNOWN),
    "one feature": ("frechet_distance", "torch.atleast_2d(x.T.cov())", "x.T.cov()", LINE),
    "statistics in float32": ("frechet_distance", "a, b = (a.double(), b.double())", "", SELF),
    "biased mmd": (
        "mmd", "(k.sum() - k.trace()) / (len(k) * (len(k) - 1))", "k.mean()",
        "test_mmd_is_unbiased"),
    "another kernel": ("_kernel", "a @ b.T / a.shape[1]", "a @ b.T", "test_mmd_by_hand"),
    "precision and recall exchanged": (
        "precision_recall", "return (_covered(fake, real, k), _covered(real, fake, k))",
        "return (_covered(real, fake, k), _covered(fake, real, k))",
        "test_samples_of_one_mode_are_precise_and_not_complete"),
    "the row is its own neighbour": ("_covered", "k + 1", "k", BALLS),
    "the farthest": ("nearest", "largest=False", "largest=True", COPIES),
    "rounded distances": (
        "nearest", "'donot_use_mm_for_euclid_dist'", "'use_mm_for_euclid_dist'", COPIES),
    "the root of A is forgotten": (
        "frechet_gaussians", "_sqrt(cov_a)", "cov_a",
        "test_gaussians_with_common_axes_are_one_dimensional_cases_side_by_side"),
    "the root of each entry": (
        "frechet_gaussians", "_sqrt(root @ cov_b @ root)",
        "(root @ cov_b @ root).clamp(min=0).sqrt()",
        "test_turning_both_gaussians_or_exchanging_them_changes_nothing"),
    "the trace of B is counted as A": (
        "frechet_gaussians", "cov_b.trace()", "cov_a.trace()",
        "test_the_distance_of_gaussians_is_the_cost_of_carrying_one_onto_the_other"),
    "roots of rounding errors": ("_sqrt", "values.clamp(min=0).sqrt()", "values.sqrt()", SELF),
    "covariances divided by N": (
        "frechet_distance", "x.T.cov()", "x.T.cov(correction=0)", KNOWN),
    "the cross term of mmd once": ("mmd", "2 * ab.mean()", "ab.mean()", "test_mmd_by_hand"),
    "the square, not the cube": (
        "_kernel", "(a @ b.T / a.shape[1] + 1) ** 3", "(a @ b.T / a.shape[1] + 1) ** 2",
        "test_mmd_by_hand"),
    "balls in float32": (
        "_covered", "x, data = (x.double(), data.double())", "",
        "test_precision_and_recall_take_float32_features_far_from_zero"),
    "inside of all balls": (
        "_covered", "(torch.cdist(x, data) <= radius).any(1)",
        "(torch.cdist(x, data) <= radius).all(1)",
        "test_precision_and_recall_are_exact_where_the_samples_are_real_points"),
    "balls around the guests": ("_covered", "torch.cdist(data, data)", "torch.cdist(x, x)", BALLS),
    "copies of two equal images are none": (
        "score", "near[:, 0] <= near[:, 1] / 3", "near[:, 0] < near[:, 1] / 3",
        "test_copies_are_counted_also_of_images_that_are_there_twice"),
    "a half as far is a copy": (
        "score", "near[:, 1] / 3", "near[:, 1] * 3",
        "test_copies_are_counted_also_of_images_that_are_there_twice"),
    "open balls": (
        "_covered", "torch.cdist(x, data) <= radius", "torch.cdist(x, data) < radius",
        "test_the_edge_of_a_ball_belongs_to_it"),
}  # fmt: skip
