"""Theorems about the scores: exact where the answer is known, unbiased where chance is in it."""

import pytest
import torch

from ddpm_lite import (
    frechet_distance,
    frechet_gaussians,
    mmd,
    nearest,
    precision_recall,
)
from ddpm_lite.metrics import coarse_pixels, score


def with_statistics(n, mean, cov):
    """n rows with exactly that sample mean and covariance: whitened noise, then coloured."""
    x = torch.randn(n, len(mean), dtype=torch.float64)
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(
        torch.linalg.cholesky(torch.atleast_2d(x.T.cov())), x.T, upper=False
    ).T
    return white @ torch.linalg.cholesky(cov).T + mean


def random_covariance(d):
    a = torch.randn(d, d, dtype=torch.float64)
    return a @ a.T / d + 0.1 * torch.eye(d)


# Fréchet distance


@pytest.mark.parametrize("d", [1, 3, 8])
def test_frechet_distance_of_gaussians_with_known_statistics(d):
    """|m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)), the root from the eigenvalues of A B (Eq. 6 of
    arXiv 1706.08500), to 1e-6."""
    (ma, mb), (ca, cb) = torch.randn(2, d).double(), (random_covariance(d), random_covariance(d))
    cross = torch.linalg.eigvals(ca @ cb).real.sqrt().sum()  # of a product that is not symmetric
    expected = (ma - mb).square().sum() + ca.trace() + cb.trace() - 2 * cross
    a, b = with_statistics(50, ma, ca), with_statistics(70, mb, cb)
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_frechet_distance_in_one_dimension_is_a_sum_of_two_squares():
    """(m_a - m_b)^2 + (s_a - s_b)^2: for N(1, 4) and N(-2, 25) it is 9 + 9."""
    one = torch.ones(1).double()
    a, b = (
        with_statistics(20, one, 4 * one[:, None]),
        with_statistics(30, -2 * one, 25 * one[:, None]),
    )
    assert frechet_distance(a, b) == pytest.approx(18, rel=1e-6)


def test_frechet_distance_to_itself_is_zero():
    """For a flat covariance too: fewer rows than features, and a feature that never moves."""
    for x in (
        torch.randn(40, 5),
        torch.randn(4, 9),
        torch.randn(40, 5) * torch.tensor([1, 1, 0, 1, 1]),
    ):
        assert frechet_distance(x, x.clone()) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_takes_float32_features_far_from_zero():
    """Statistics are computed in float64: a common offset of 1000 changes nothing."""
    a, b = torch.randn(500, 4), 2 * torch.randn(500, 4)
    assert frechet_distance(a + 1000, b + 1000) == pytest.approx(frechet_distance(a, b), rel=1e-3)


def test_a_larger_shift_or_spread_is_a_larger_distance():
    """Monotone in what it measures."""
    x = torch.randn(500, 4)
    for change in (lambda k: x + k, lambda k: x * (1 + k)):
        scores = [frechet_distance(x, change(k)) for k in (0.0, 0.1, 0.5, 1.0)]
        assert scores == sorted(scores) and scores[-1] > 1


def test_gaussians_with_common_axes_are_one_dimensional_cases_side_by_side():
    """sum (sqrt(lambda) - sqrt(mu))^2 over the common eigenvectors, to 1e-6 (Dowson, Landau)."""
    axes = torch.linalg.eigh(random_covariance(6)).eigenvectors
    a, b, mean = torch.rand(6).double(), torch.rand(6).double(), torch.zeros(6).double()
    distance = frechet_gaussians(mean, axes * a @ axes.T, mean, axes * b @ axes.T)
    assert distance == pytest.approx((a.sqrt() - b.sqrt()).square().sum().item(), abs=1e-6)


def test_the_distance_of_gaussians_is_the_cost_of_carrying_one_onto_the_other():
    """The map A^(-1/2) (A^(1/2) B A^(1/2))^(1/2) A^(-1/2), by Cholesky and Newton instead of eigh,
    turns A into B and costs the distance, to 1e-6."""
    (ma, mb), (ca, cb) = torch.randn(2, 5).double(), (random_covariance(5), random_covariance(5))

    def root(matrix):  # Denman and Beavers
        y, z = matrix, torch.eye(len(matrix), dtype=matrix.dtype)
        for _ in range(30):
            y, z = (y + torch.linalg.inv(z)) / 2, (z + torch.linalg.inv(y)) / 2
        return y

    inverse = torch.linalg.inv(root(ca))
    carry = inverse @ root(root(ca) @ cb @ root(ca)) @ inverse
    rest = torch.eye(5) - carry
    cost = (ma - mb).square().sum() + (rest @ ca @ rest.T).trace()
    assert torch.allclose(carry @ ca @ carry.T, cb, atol=1e-9)
    assert frechet_gaussians(ma, ca, mb, cb) == pytest.approx(cost.item(), abs=1e-6)


def test_turning_both_gaussians_or_exchanging_them_changes_nothing():
    """A distance does not know the axes, and is symmetric; to 1e-9."""
    (ma, mb), (ca, cb) = torch.randn(2, 5).double(), (random_covariance(5), random_covariance(5))
    q = torch.linalg.qr(torch.randn(5, 5).double()).Q
    distance = frechet_gaussians(ma, ca, mb, cb)
    turned = frechet_gaussians(q @ ma, q @ ca @ q.T, q @ mb, q @ cb @ q.T)
    assert turned == pytest.approx(distance, rel=1e-9)
    assert frechet_gaussians(mb, cb, ma, ca) == pytest.approx(distance, rel=1e-9)


def test_frechet_distance_of_a_set_from_its_multiple():
    """(1 - s)^2 (|m|^2 + tr A): the multiple has the axes of the set."""
    x = torch.randn(200, 5).double() @ torch.randn(5, 5).double() + 2
    size = x.mean(0).square().sum() + x.T.cov().trace()
    for s in (0.0, 0.5, 1.7):
        expected = ((1 - s) ** 2 * size).item()
        assert frechet_distance(x, s * x) == pytest.approx(expected, abs=1e-6)


def test_frechet_distance_of_equal_laws_falls_like_1_over_n():
    """About D (D + 5) / 4 times (1/N + 1/M) for D independent features of variance 1 (chapter 9):
    within 5 % on average over 10 draws."""
    for n, m in ((500, 500), (500, 1000), (2000, 1000)):
        draws = [frechet_distance(torch.randn(n, 16), torch.randn(m, 16)) for _ in range(10)]
        expected = 16 * 21 / 4 * (1 / n + 1 / m)
        assert sum(draws) / 10 == pytest.approx(expected, rel=0.05)


# Maximum mean discrepancy


def test_mmd_is_unbiased():
    """For equal laws its mean over 200 draws is within five standard errors of 0; it goes below."""
    scores = torch.tensor([mmd(torch.randn(20, 3), torch.randn(30, 3)) for _ in range(200)])
    assert scores.mean().abs() < 5 * scores.std() / 200**0.5
    assert scores.min() < 0 < scores.max()


def test_mmd_by_hand():
    """Averages of (x y / D + 1)^3 over all pairs but a row with itself (arXiv 1801.01401)."""
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [2.0, 0.0]])
    aa, bb, ab = 1.0, 2.0**3, (1.5**3 + 2.0**3 + 2.0**3 + 1.0**3) / 4
    assert mmd(a, b) == pytest.approx(aa + bb - 2 * ab)


def test_mmd_sees_a_shift():
    """0.5 in each coordinate stands far above the scatter of equal laws."""
    assert mmd(torch.randn(300, 3), torch.randn(300, 3) + 0.5) > 0.3


# Precision and recall


def modes(*centers, n=50):
    return torch.cat([0.05 * torch.randn(n, 2) + torch.tensor(c) for c in centers])


ALL = [(0.0, 0.0), (5.0, 0.0), (0.0, 5.0), (5.0, 5.0)]


def test_samples_of_all_modes_are_precise_and_complete():
    """Real and fake from one law: both near 1, and exactly 1 for the same rows."""
    real = modes(*ALL)
    assert min(precision_recall(real, modes(*ALL))) > 0.85
    assert precision_recall(real, real) == (1, 1)


def test_samples_of_one_mode_are_precise_and_not_complete():
    """Three of four modes are missing: recall near 1/4. The roles exchanged, the numbers are."""
    real, fake = modes(*ALL), modes(ALL[0])
    precision, recall = precision_recall(real, fake)
    assert precision > 0.85 and 0.15 < recall <= 0.25
    assert precision_recall(fake, real) == (recall, precision)


def test_samples_off_the_manifold_are_neither():
    """Nothing in common: 0 and 0."""
    assert precision_recall(modes(*ALL), modes((99.0, 99.0))) == (0, 0)


def test_samples_half_of_which_are_off_the_manifold_have_half_the_precision():
    """50 of 100 lie far away."""
    precision, _ = precision_recall(modes(*ALL), modes(ALL[0], (99.0, 99.0)))
    assert 0.4 < precision <= 0.5


def test_the_manifold_reaches_to_the_kth_neighbour():
    """On a line 0, 1, 3, 7 with k = 1 the balls have radius 1, 1, 2, 4."""
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    fake = torch.tensor([[-1.01], [-0.99], [5.5], [11.5]])  # out, in, in (around 7), out
    assert precision_recall(real, fake, k=1)[0] == 0.5
    assert precision_recall(real, fake, k=2)[0] == 1.0  # radius 3, 2, 3, 6


def test_precision_and_recall_are_exact_where_the_samples_are_real_points():
    """All modes, one of four, none, and half of the samples elsewhere."""
    real = modes(*ALL)
    cases = [(real, (1, 1)), (real[:50], (1, 0.25)), (real + 99, (0, 0)),
             (torch.cat([real, real + 99]), (0.5, 1))]  # fmt: skip
    for fake, expected in cases:
        assert precision_recall(real, fake) == expected


def test_the_edge_of_a_ball_belongs_to_it():
    """The k-th neighbour itself lies in the ball: "at most" in Eq. 1."""
    real = torch.tensor([[0.0], [1.0], [3.0]])  # radius 1, 1, 2
    assert precision_recall(real, torch.tensor([[-1.0], [5.0]]), k=1)[0] == 1


def test_one_real_outlier_makes_whatever_is_around_it_precise():
    """The weakness that density repairs (arXiv 2002.09797): its ball is huge."""
    real, fake = modes(*ALL), modes((2.5, 2.5))
    assert precision_recall(real, fake)[0] == 0
    assert precision_recall(torch.cat([real, torch.tensor([[2.5, 2.5]])]), fake)[0] == 1


def test_precision_and_recall_take_float32_features_far_from_zero():
    """Distances are computed in float64: a common offset of 10,000 changes nothing."""
    real, fake = torch.randn(200, 8).mul(64).round() / 64, torch.randn(200, 8).mul(64).round() / 64
    assert precision_recall(real + 10_000, fake + 10_000) == precision_recall(real, fake)


# Memorisation


def test_nearest_finds_copies(digits):
    """A copy has distance 0 and its own index; a changed pixel shows as its difference. All images
    are tried: with three, rounded distances were 0 by chance on one kind of processor."""
    x = digits[0] + 0.01 * torch.randn(len(digits[0]), 1, 8, 8)  # no round numbers
    distance, index = nearest(x, x)
    assert distance.shape == index.shape == (len(x), 1)
    assert (distance == 0).all() and torch.equal(index[:, 0], torch.arange(len(x)))
    rows = torch.tensor([3, 700, 1436])
    changed = x[rows].clone()
    changed[:, 0, 4, 4] += 0.25
    distance, index = nearest(changed, x)
    assert torch.allclose(distance, torch.tensor(0.25)) and index[:, 0].tolist() == rows.tolist()


def test_nearest_is_the_euclidean_distance_in_rising_order():
    """k neighbours, the nearest first, of images too: they are flattened."""
    data = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    distance, index = nearest(torch.zeros(1, 2), data, k=3)
    assert distance.tolist() == [[0, 1, 5]] and index.tolist() == [[0, 2, 1]]
    assert nearest(torch.zeros(2, 1, 1, 2), data[:, None, None], k=2)[0].tolist() == [[0, 1]] * 2


def test_copies_are_counted_also_of_images_that_are_there_twice():
    """Both nearest images are then at distance 0. Models copy such images first."""
    train, test = torch.rand(2, 30, 1, 4, 4) * 2 - 1
    samples = torch.cat([train[:5], train[5:8] + 1e-3, test[:2]])
    for data in (train, train.repeat(2, 1, 1, 1)):
        found = score(samples, data, test[2:], coarse_pixels, 2)["copies"]
        assert found == (8 if data is train else 5)  # what is near two images is no exact copy


@pytest.mark.parametrize("score", [frechet_distance, mmd, precision_recall])
@pytest.mark.parametrize(
    "a, b", [((5, 3), (5, 4)), ((5,), (5,)), ((1, 3), (5, 3)), ((5, 1, 2, 2),) * 2]
)
def test_features_that_do_not_fit_are_refused(score, a, b):
    """(N, D) and (M, D), with two rows at least: one row has no covariance."""
    with pytest.raises(ValueError, match="expected"):
        score(torch.randn(a), torch.randn(b))
