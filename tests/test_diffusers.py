"""The schedules and steps of diffusers, whose timestep k is our t = k + 1, give our numbers."""

import pytest
import torch

import ddpm_lite.score as score
from ddpm_lite import (
    clipped,
    cosine_schedule,
    ddim_step,
    ddpm_step,
    dpmpp_2m,
    linear_schedule,
    q_sample,
    sample,
    trajectory,
)
from ddpm_lite.conventions import convert_level, convert_prediction, convert_state

diffusers = pytest.importorskip("diffusers")

OURS = {"linear": linear_schedule(), "squaredcos_cap_v2": cosine_schedule()}
each = pytest.mark.parametrize("name", OURS)
CLOSE = {"linear": 1e-5, "squaredcos_cap_v2": 1e-3}  # their cosine multiplies up in float32
both_clips = pytest.mark.parametrize("clip", [False, True])


def theirs(kind: str, name: str, clip: bool = False, **options):
    return getattr(diffusers, kind)(
        beta_schedule=name, clip_sample=clip, timestep_spacing="trailing", **options
    )


def ddpm(name, clip=False):
    return theirs("DDPMScheduler", name, clip, variance_type="fixed_small")


def ddim(name, clip=False):
    return theirs("DDIMScheduler", name, clip)


def far(a, b) -> float:
    """The largest difference of two tensors: a sum of signed ones could cancel."""
    return (a - b).abs().max().item()


def model(x, t):
    """Any smooth function of x and t stands in for a network."""
    t = torch.as_tensor(t).reshape(-1, *[1] * (x.ndim - 1)) / 1000
    return torch.tanh(x) * (0.5 + t) + 0.1 * t


@each
def test_beta_and_alpha_bar_are_theirs(name):
    """alpha_bar[t] = alphas_cumprod[t - 1], t = 1 … T."""
    assert far(OURS[name].beta[1:], ddpm(name).betas) < 1e-5 * 0.02
    assert far(OURS[name].alpha_bar[1:], ddpm(name).alphas_cumprod) < 1e-6


@each
def test_q_sample_is_their_add_noise(name):
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps with k = t - 1 (DDPM, Eq. 4)."""
    x0, eps, t = torch.randn(9, 1, 4, 4), torch.randn(9, 1, 4, 4), torch.arange(1, 1001, 120)
    assert far(q_sample(OURS[name], x0, t, eps), ddpm(name).add_noise(x0, eps, t - 1)) < 2e-6


@each
@both_clips
def test_ddpm_step_is_their_step(name, clip):
    """Algorithm 2 with the posterior's variance; clip_sample=True is ``clipped``. At t = 2 both
    round 1 - alpha_bar_1 = 1e-4 in float32, to 1e-3 of sigma = 0.007."""
    schedule, scheduler = OURS[name], ddpm(name, clip)
    eps = clipped(model, schedule) if clip else model
    for t in (1, 2, 50, 500, 900):
        x = q_sample(schedule, torch.rand(4, 3) * 2 - 1, t, torch.randn(4, 3))
        torch.manual_seed(t)
        ours = ddpm_step(schedule, x, t, t - 1, eps(x, torch.full((4,), t)))
        torch.manual_seed(t)
        assert far(ours, scheduler.step(model(x, t), t - 1, x).prev_sample) < (
            1e-5 if t > 2 else 1e-4
        )


@each
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_step_is_their_step(name, eta):
    """DDIM, Eq. 12 and 16, with strides of 20."""
    schedule, scheduler = OURS[name], ddim(name)
    scheduler.set_timesteps(50)
    for t in (20, 40, 500, 980):
        x = q_sample(schedule, torch.rand(4, 3) * 2 - 1, t, torch.randn(4, 3))
        torch.manual_seed(t)
        ours = ddim_step(schedule, x, t, t - 20, model(x, t), eta)
        torch.manual_seed(t)
        assert far(ours, scheduler.step(model(x, t), t - 1, x, eta=eta).prev_sample) < 1e-5


def loop(scheduler, x, **options):
    """Their whole loop of 50 steps, with our counting of the times for the model."""
    scheduler.set_timesteps(50)
    for k in scheduler.timesteps:
        x = scheduler.step(model(x, torch.full((len(x),), int(k) + 1)), k, x, **options).prev_sample
        yield x


@each
@both_clips
def test_fifty_ddpm_steps_are_their_loop(name, clip):
    """Every state on the way from T to 0, clipped as most people sample, and not."""
    schedule, xT = OURS[name], torch.randn(4, 3)
    torch.manual_seed(1)
    ours = [x for _, x in trajectory(model, schedule, xT, 50, clip=1.0 if clip else None)]
    torch.manual_seed(1)
    for a, b in zip(ours[1:], loop(ddpm(name, clip), xT), strict=True):
        assert far(a, b) < CLOSE[name] * max(1, b.abs().max())


@each
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_fifty_ddim_steps_are_their_loop(name, eta):
    """use_clipped_model_output: eps belongs to the clipped x0, as in ``clipped``."""
    schedule, xT = OURS[name], torch.randn(4, 3)
    torch.manual_seed(1)
    ours = sample(model, schedule, xT, 50, lambda *a: ddim_step(*a, eta=eta))
    torch.manual_seed(1)
    *_, last = loop(ddim(name, clip=True), xT, eta=eta, use_clipped_model_output=True)
    assert far(ours, last) < CLOSE[name]


@each
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("n", [5, 10, 20])
def test_dpm_solver_is_their_multistep_scheduler(name, n):
    """DPM-Solver++(2M), every state on the way: the same even times, and x0 itself as the end."""
    scheduler = diffusers.DPMSolverMultistepScheduler(
        beta_schedule=name,
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        timestep_spacing="trailing",
        final_sigmas_type="zero",
    )
    scheduler.set_timesteps(n)
    schedule, xT = OURS[name], torch.randn(4, 3)
    walk = list(trajectory(model, schedule, xT, n, dpmpp_2m()))
    assert [t - 1 for t, _ in walk[:-1]] == scheduler.timesteps.tolist()
    x = xT
    for k, (_, ours) in zip(scheduler.timesteps, walk[1:], strict=True):
        eps = clipped(model, schedule)(x, torch.full((4,), int(k) + 1))
        x = scheduler.step(eps, k, x).prev_sample
        assert far(ours, x) < CLOSE[name] * max(1, x.abs().max())


# Noise levels, EDM, flow and the end of the schedule (chapter 12)


@each
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_edm_sigmas_of_a_schedule_are_theirs(name):
    """EulerDiscreteScheduler samples at sigma = sqrt((1 - alpha_bar) / alpha_bar), and scales its
    input x0 + sigma eps by sqrt(alpha_bar), which gives x_t."""
    scheduler = diffusers.EulerDiscreteScheduler(beta_schedule=name, timestep_spacing="trailing")
    scheduler.set_timesteps(1000)
    alpha_bar = OURS[name].alpha_bar.double()
    sigmas = convert_level(alpha_bar[1:].flip(0), "alpha_bar", "edm")
    assert far(scheduler.sigmas[:-1] / sigmas, torch.ones(1000)) < 1e-3  # float32, at 1e-4
    x = torch.randn(1, 3, dtype=torch.float64)
    for t in (1000, 500, 20):
        scaled = scheduler.scale_model_input(x, scheduler.timesteps[1000 - t])
        ours = convert_state(x, alpha_bar[t : t + 1], "edm", "vp")
        scheduler._step_index = None
        assert far(scaled, ours) < CLOSE[name]


def test_edm_is_their_edm_scheduler():
    """The grid, the four coefficients, and a step of Euler's method along (x - D) / sigma."""
    scheduler = diffusers.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5)
    scheduler.set_timesteps(18)
    sigmas = score.edm_sigmas(18)
    assert far(scheduler.sigmas[:-1] / sigmas[:-1], torch.ones(18)) < 1e-4
    x, sigma = torch.randn(4, 3), torch.tensor([80.0, 2.0, 0.5, 0.01])
    skip, out, scale, label = score.edm_coefficients(sigma[:, None], 0.5)
    for i in range(4):
        assert far(scheduler.precondition_inputs(x[i], sigma[i]), scale[i] * x[i]) < 1e-6
        assert far(scheduler.precondition_noise(sigma[i]), label[i, 0]) < 1e-6
        theirs_ = scheduler.precondition_outputs(x[i], x[0], sigma[i])
        assert far(theirs_, skip[i] * x[i] + out[i] * x[0]) < 1e-5


def test_our_flow_time_is_the_sigma_of_their_flow_scheduler():
    """At u the state is (1 - u) x0 + u eps, and a step adds (s - u) times the velocity."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(10)
    alpha_bar = convert_level(scheduler.sigmas[1:-1].double(), "flow", "alpha_bar")
    assert far(convert_level(alpha_bar, "alpha_bar", "flow"), scheduler.sigmas[1:-1]) < 1e-6
    x0, eps = torch.randn(2, 9, 3, dtype=torch.float64)
    a = alpha_bar[:, None]
    xt = a.sqrt() * x0 + (1 - a).sqrt() * eps
    ours = convert_state(xt, alpha_bar, "vp", "flow")
    theirs_ = scheduler.scale_noise(x0, scheduler.timesteps[1:], eps)
    assert far(ours, theirs_) < 1e-6
    v = convert_prediction(eps, xt, alpha_bar, "eps", "velocity")
    u, s = scheduler.sigmas[1], scheduler.sigmas[2]
    step = scheduler.step(v[:1].float(), scheduler.timesteps[1], ours[:1].float()).prev_sample
    assert far(step, ours[:1] + (s - u) * v[:1]) < 1e-5


@each
def test_zero_terminal_snr_is_theirs(name):
    """Theirs returns betas, so alpha_bar is compared; where theirs is 0 it's 0."""
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    betas = rescale_zero_terminal_snr(OURS[name].beta[1:].double())
    new = score.zero_terminal_snr(OURS[name].alpha_bar)
    assert far(new[1:], (1 - betas).cumprod(0)) < 1e-5 and new[-1] == 0


def test_snr_is_what_their_min_snr_weights_are_made_of():
    from diffusers.training_utils import compute_snr

    snr = compute_snr(ddpm("linear"), torch.arange(1000))
    ours = score.min_snr_weight(OURS["linear"].snr[1:], "eps")
    assert far(snr.clamp(max=5) / snr, ours) < 1e-4
