"""The same table as in test_faults.py, for parts III and IV of the book: likelihood, score, flow,
editing, VAEs, GANs, transformers, captions, sounds, few steps, tokens, fine-tuning and scores.

A row is what is done and the words that it gives, with TypeError between them where it isn't a
ValueError. The same rows hold for ``python -O``.
"""

import math
import tempfile
import wave
from pathlib import Path

import pytest
import torch
from mutants import load, package
from test_faults import complaint
from torch import nn

import ddpm_lite as d
from ddpm_lite import (
    audio,
    control,
    conventions,
    distill,
    editing,
    finetune,
    flow,
    gan,
    likelihood,
    metrics,
    pages,
    plot,
    pretrained,
    scenes,
    score,
    sounds,
    text,
    token_net,
    tokenizer,
    tokens,
    transformer,
    vae,
)

S = d.cosine_schedule(100)
X = torch.linspace(-1, 1, 256).reshape(4, 1, 8, 8)
POINTS = torch.linspace(-1, 1, 8).reshape(4, 2)
T = torch.ones(4, dtype=torch.int64)  # a time, or a label, for each row
U, MEANS = torch.tensor([0.8, 0.5, 0.3, 0.1]), torch.eye(2)
HIDDEN = torch.full((4, 6), tokens.MASK)
WAVE = torch.sin(torch.arange(3200) / 3)[None]
NAN, WHITE = X + math.nan, X + 255  # 255: bytes as floats
TEMPORARY = tempfile.TemporaryDirectory()
FOLDER = Path(TEMPORARY.name)
unet = d.UNet(1, 8, (1, 2), num_classes=3)
halves = d.UNet(1, 8, (1, 2), out_channels=2)
mlp = d.MLP(2, 16, 1)
encoder = text.TextEncoder(20, 8)
dit, filler = transformer.DiT(1, 2, 16, 1, 2), token_net.TokenNet(5, 6, 16, 1)
images = vae.conv_vae(width=8)
generator, critic = gan.small_generator(8, 4), gan.small_discriminator(4)
of_generator = torch.optim.SGD(generator.parameters(), 0.1)
RED = (0, "red", 7)


def model(x, t, *rest):
    return 0.5 * x


def one(x, *rest):
    """A model that gives one row for all, which would broadcast."""
    return x[:1]


@torch.no_grad()
def blind(x, t):
    return 0.5 * x


def trained(loss, steps=2, **more):
    return lambda: [*d.train(mlp, [POINTS], loss, steps, **more)]


student = distill.consistency(model, S)


def sampled(step, x=X):
    return lambda: d.sample(model, S, x, 5, step)


def bound(x0=X, times=(100, 50, 0), reverse=None):
    reverse = reverse or likelihood.fixed_variance(model, S)
    return lambda: likelihood.bound(reverse, S, x0, 256, times)


def ode(times=(0, 50, 100), model=model):
    return lambda: likelihood.ode_log_prob(model, S, POINTS, times)


def dsm(sigma=U, x0=POINTS, net=model):
    return lambda: score.dsm_loss(net, x0, sigma)


def reversed_(times, net=model):
    return lambda: score.reverse(score.vp(), net, POINTS, times)


def drawn(*things):
    return lambda: scenes.draw_scenes([things], X.repeat(5, 1, 1, 1), torch.arange(20) % 10)


def written(name, data=b"\1\2" * 100, cut=0):
    """The path of a WAV file."""
    with wave.open(str(FOLDER / name), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(data)
    (FOLDER / name).write_bytes((FOLDER / name).read_bytes()[: -cut or None])
    return FOLDER / name


def other_weights(loader, file):
    """A loader of the package where its weights are those of something else."""
    def do():
        real = pretrained.FOLDER
        pretrained.FOLDER = FOLDER
        try:
            d.save_checkpoint(FOLDER / file, other=1)
            return loader()
        finally:
            pretrained.FOLDER = real
            (FOLDER / file).unlink()
    return do


def no_weights(loader):
    def do():
        real = pretrained.FOLDER
        pretrained.FOLDER = FOLDER
        try:
            return loader()
        finally:
            pretrained.FOLDER = real
    return do


DATA = "x0 is torch.uint8 of shape (4, 1, 8, 8); expected at least one row in a tensor of floats"
RANGE = "the range of x0 is (254.0, 256.0); expected about -1 … 1"
LOSSES = {  # each refuses bytes, 0 … 255, NaN and an empty batch in the same way
    "hybrid_loss": lambda x: likelihood.hybrid_loss(halves, S, x),
    "bound": lambda x: bound(x)(),
    "dsm_loss": lambda x: score.dsm_loss(model, x, U[: len(x)]),
    "flow_loss": lambda x: flow.flow_loss(model, x),
    "sdedit": lambda x: editing.sdedit(model, S, x, 0.5),
    "vae_loss": lambda x: vae.vae_loss(images, x),
    "importance_bound": lambda x: vae.importance_bound(images, x, 2),
    "latent_scale": lambda x: vae.latent_scale(images, x),
    "to_latent": lambda x: vae.to_latent(images, x),
    "discriminator_step": lambda x: gan.discriminator_step(
        generator, critic, torch.optim.SGD(critic.parameters(), 0.1), x, torch.zeros(4, 8)),
    "progressive_loss": lambda x: distill.progressive_loss(student, model, S, x, [100, 50, 0]),
    "consistency_loss": lambda x: distill.consistency_loss(student, student, S, x, [100, 50, 0]),
    "mean_flow_loss": lambda x: distill.mean_flow_loss(
        lambda x, u, s: 0 * x, x, U[: len(x)], U[: len(x)] / 2),
    "edges": control.edges,
    "fit_classifier": lambda x: d.fit_classifier(x, T[: len(x)], 1),
    "score": lambda x: metrics.score(x, X, X, metrics.coarse_pixels),
}  # fmt: skip

LIKELIHOOD = {
    "bits for each of 0 dimensions": (
        lambda: likelihood.bits_per_dim(U, 0), "dims is 0; expected how many numbers a row has"),
    "256 levels for their width": (
        lambda: likelihood.bits_per_dim(U, 64, 256), "width is 256; expected 1, or the distance"),
    "levels of 0 … 255": (
        lambda: likelihood.dequantise(WHITE, 256), RANGE),
    "levels of bytes": (
        lambda: likelihood.dequantise(X.byte(), 256), TypeError, "use x.float() / 127.5 - 1"),
    "a decoder without variance": (
        lambda: likelihood.decoder_log_prob(X, X, 0 * X, None),
        "the variance is torch.float32 of shape (4, 1, 8, 8); expected a tensor of numbers"),
    "a divergence from a point": (
        lambda: likelihood.kl_of_gaussians(X, X**2 + 1, X, 0 * X), "expected a tensor of numbers"),
    "w is 2": (
        lambda: likelihood.fixed_variance(model, S, 2.0)(X, 5 * T, 3 * T),
        "w is 2.0; expected a number in [0, 1], or a tensor with 4 axes"),
    "w for each row, which would broadcast over the width": (
        lambda: likelihood.reverse_step(S, X, 5, 3, X, U), "or a tensor with 4 axes, as x has"),
    "a number of steps for the times of a bound": (
        bound(times=10), "expected whole numbers in order between 0 and T = 100"),
    "times of a bound as a tensor": (
        bound(times=torch.tensor([100, 0])), "expected whole numbers in order between 0 and T"),
    "no times of a bound": (bound(times=[]), "expected whole numbers in order between 0 and T"),
    "times of an ODE between the rows": (
        ode([0, 0.5, 100]), "expected whole numbers in order between 0 and T = 100"),
    "a number of steps for an ODE": (ode(50), "expected whole numbers in order between 0 and"),
    "a model under no_grad in an ODE": (
        ode(model=blind), "expected a gradient: call the model without torch.no_grad()"),
}  # fmt: skip

SCORE = {
    "means without an axis for them": (
        lambda: score.mixture_score(POINTS, MEANS[0], 0.1),
        "means is torch.float32 of shape (2,); expected (K, D) with D as in x (4, 2)"),
    "a mixture of points without noise": (
        lambda: score.mixture_score(POINTS, MEANS, 0.0), "the variance is 0.0; expected a number"),
    "one sigma for all": (dsm(torch.tensor(0.5)), "sigma is torch.float32 of shape (); expected 4"),
    "sigma as a number": (dsm(0.5), "sigma is 0.5; expected 4 numbers above 0, one for each row"),
    "a sigma of one row": (dsm(U[:1]), "sigma is torch.float32 of shape (1,); expected 4 numbers"),
    "a sigma of 0": (dsm(0 * U), "expected 4 numbers above 0, one for each row"),
    "no step of Langevin": (
        lambda: score.langevin(lambda x: -x, POINTS, 0.1, -1), "n is -1; expected a whole number"),
    "noise levels that rise": (
        lambda: score.annealed_langevin(model, POINTS, U.flip(0), 3, 0.1),
        "sigmas is [0.1, 0.3, 0.5]; expected a tensor of falling values"),
    "noise levels in a list": (
        lambda: score.annealed_langevin(model, POINTS, [1.0, 0.5], 3, 0.1),
        "sigmas is [1.0, 0.5]; expected a tensor of falling values"),
    "the betas of a schedule for an SDE": (
        lambda: score.vp(1e-4, 0.02),
        "(beta_0, beta_1) is (0.0001, 0.02); expected 0 <= beta_0 <= beta_1, T times the betas of"),
    "an SDE whose noise falls": (
        lambda: score.ve(50.0, 0.01), "(low, high) is (50.0, 0.01); expected 0 < low < high"),
    "a step of an SDE towards the noise": (
        lambda: score.sde_step(score.vp(), model, POINTS, U[2], U[0]), "expected tensors, s <= u"),
    "a step of an SDE at a float": (
        lambda: score.sde_step(score.vp(), model, POINTS, 0.5, 0.4), "(u, s) is (0.5, 0.4); expec"),
    "timesteps for the times of an SDE": (
        reversed_(torch.arange(100.0, -1, -10)), "times[0] is 100.0; expected at most 1: u is t"),
    "a number of steps for an SDE": (reversed_(50), "times is 50; expected a tensor of falling"),
    "half a noise level": (
        lambda: score.edm_sigmas(2.5), "(n, low, high) is (2.5, 0.002, 80.0); expected n > 1"),
    "levels of rho 0": (lambda: score.edm_sigmas(5, rho=0), "rho is 0; expected a number above 0"),
    "sigma as a number for EDM": (
        lambda: score.edm_coefficients(0.5, 0.5), "sigma is 0.5; expected a tensor of noise"),
    "sigmas in a list": (
        lambda: score.edm_heun(model, POINTS, [2.0, 0.0]), "sigmas is [2.0, 0.0]; expected a tens"),
    "a weight with gamma -5": (
        lambda: score.min_snr_weight(S.snr, gamma=-5), "gamma is -5; expected a number above 0"),
    "a weight of the logarithm of the SNR": (
        lambda: score.min_snr_weight(S.snr[1:].log(), "v"), "expected ratios of signal and noise"),
    "a timestep as a level of flow": (
        lambda: conventions.convert_level(torch.tensor([500.0]), "flow", "edm"),
        "value is [500.0]; expected a tensor of levels of the convention 'flow'"),
    "a level as a number": (
        lambda: conventions.convert_level(0.5, "flow", "edm"), "value is 0.5; expected a tensor"),
    "alpha_bar of another batch": (
        lambda: conventions.convert_state(POINTS, U[:3], "vp", "edm"),
        "(x, p, alpha_bar) is [(4, 2), (4, 2), (3,)]; expected x and p of the same shape"),
    "one prediction for four rows": (
        lambda: conventions.convert_prediction(POINTS[:1], POINTS, U, "x0", "eps"),
        "(x, p, alpha_bar) is [(4, 2), (1, 2), (4,)]; expected x and p of the same shape"),
    "a time beyond T between the rows": (
        lambda: conventions.alpha_bar_at(S, torch.tensor([200.0])), "t is [200.0]; expected a ten"),
    "the time of more noise than the schedule has, which was T + 4": (
        lambda: conventions.time_at(S, torch.tensor([1e-20])),
        "e-21]; expected a tensor of levels in 2.43e-07 … 1"),
    "the time of an alpha_bar above 1": (
        lambda: conventions.time_at(S, torch.tensor([2.0])), "alpha_bar is [2.0]; expected a t"),
}  # fmt: skip

ROWS = "floats from 0 to 1, one for each row"
FLOW = {
    "one u for all": (
        lambda: flow.interpolate(POINTS, 0.5, POINTS), "u is 0.5; expected 4 " + ROWS),
    "one row of u": (
        lambda: flow.interpolate(POINTS, U[:1], POINTS), "u is torch.float32 (1,); expected 4 fl"),
    "timesteps for u": (
        lambda: flow.interpolate(POINTS, 100 * U, POINTS), "expected 4 " + ROWS),
    "one end for four paths": (
        lambda: flow.interpolate(POINTS, U, POINTS[:1]), "x0 has shape (4, 2) and x1 (1, 2); expe"),
    "one time for the batch": (
        lambda: flow.flow_loss(model, POINTS, None, lambda n: U[:1]), "expected 4 " + ROWS),
    "a timestep for a velocity": (
        lambda: flow.velocity_of(d.MLP(2, 16, 1))(POINTS, 100 * U), "expected 4 " + ROWS),
    "a timestep for a diffusion model's velocity": (
        lambda: flow.as_flow(model, S)(POINTS, 100 * U), "expected 4 " + ROWS),
    "times of a flow in a list": (
        lambda: flow.sample_flow(model, POINTS, [1, 0.5, 0]),
        "times is [1, 0.5, 0]; expected a number of steps, or a tensor"),
    "fewer steps of a flow than none": (
        lambda: flow.sample_flow(model, POINTS, -5), "times is -5; expected a number of steps, or"),
    "one time for all steps": (
        lambda: flow.sample_flow(model, POINTS, U[0]), "times is tensor(0.8000); expected a num"),
    "straightness of given times": (
        lambda: flow.straightness(model, POINTS, torch.tensor([1, 0.5, 0])), "expected 1 or more"),
}  # fmt: skip

EDITING = {
    "no step of an edit": (
        lambda: editing.sdedit(model, S, X, 0.5, 0), "n is 0; expected a whole number of steps"),
    "a mask of another size": (
        lambda: editing.replaced(X, X[..., :7] > 0),
        "mask is torch.bool of shape (4, 1, 8, 7); expected a shape that broadcasts to x0"),
    "a mask without its channel, which would make four": (
        lambda: editing.replaced(X, X[:, 0] > 0), "mask is torch.bool of shape (4, 8, 8); exp"),
    "no mask": (lambda: editing.replaced(X, None), "mask is None; expected bool: True where a pix"),
    "known pixels as bytes": (
        lambda: editing.replaced(X.byte(), X > 0), "x0 is torch.uint8 of shape (4, 1, 8, 8); "),
    "one known image for four, and one noise": (
        sampled(editing.replaced(X[:1], X[:1] > 0)),
        "x0 is (1, 1, 8, 8); expected (4, 1, 8, 8): use x0.expand"),
    "half a round": (
        lambda: editing.repaint(model, X, X > 0, 2.5), "rounds is 2.5; expected 1 (replacement on"),
    "the matrix for a number of pixels": (
        lambda: editing.matrix_of(lambda x: x, 64), "shape is 64; expected an image's"),
    "a move away from the measurement": (
        lambda: editing.dps(model, MEANS, POINTS, -1.0), "scale is -1.0; expected a number of"),
    "a standard deviation of -1": (
        lambda: editing.likelihood(model, S, MEANS, POINTS, -1.0), "one of them above 0, none bel"),
    "a mixture of one mean without an axis": (
        lambda: editing.mixture_model(S, MEANS[0], 0.1), "means is torch.float32 of shape (2,); "),
    "points of other dimensions": (
        lambda: editing.mixture_model(S, MEANS[:, :1], 0.1)(POINTS, T), "expected points (B, 1)"),
    "measurements of four rows in a posterior": (
        lambda: editing.mixture_posterior(MEANS, 0.1, MEANS, POINTS),
        "(A, y) is ((2, 2), (4, 2)); expected A (m, 2) and y (m,)"),
    "the same measurement twice without noise": (
        lambda: editing.mixture_posterior(MEANS, 0.1, torch.ones(2, 2), torch.ones(2)),
        "sigma is 0.0; expected a number above 0, as the rows of A depend on each other"),
}  # fmt: skip

VAE_GAN = {
    "one log-variance for four rows": (
        lambda: vae.kl_to_prior(POINTS, POINTS[:1]), "mean, logvar and eps are [(4, 2), (1, 2)]"),
    "one noise for four latents": (
        lambda: vae.reparameterise(POINTS, POINTS, POINTS[:1]), "expected floats of the same sh"),
    "one decoded image for four": (
        lambda: vae.gaussian_nll(X, X[:1], U[0]), "the decoder gives (1, 1, 8, 8) for images (4, "),
    "a standard deviation of 0, which was 1": (
        lambda: vae.VAE(nn.Identity(), nn.Identity(), 0.0), "std is 0.0; expected a number above"),
    "no sample of a bound": (
        lambda: vae.importance_bound(images, X, 0), "k is 0; expected a whole number of samples"),
    "beta is -1": (lambda: vae.vae_loss(images, X, -1.0), "beta is -1.0; expected 0 or more"),
    "a number of pixels for a VAE": (lambda: vae.dense_vae(64), "size is 64; expected (C, H, W)"),
    "logits that are whole numbers": (
        lambda: gan.discriminator_loss(T, T), "the logits are empty, or not floats"),
    "the discriminator's step with the generator's optimiser": (
        lambda: gan.discriminator_step(generator, critic, of_generator, X, torch.zeros(4, 8)),
        "the optimiser has weights of another network; expected those of the network"),
    "the generator's step with an optimiser of both": (
        lambda: gan.generator_step(generator, critic, torch.optim.SGD(
            [*generator.parameters(), *critic.parameters()], 0.1), torch.zeros(4, 8)),
        "the optimiser has weights of another network"),
    "a spectral norm of zeros": (
        lambda: gan.spectral_norm(d.UNet(1, 8, (1, 2))), "layers have only zeros, so their norm i"),
    "spectral norm twice": (
        lambda: gan.spectral_norm(gan.small_discriminator(4)), "has spectral norm already"),
    "spectral norm of nothing": (
        lambda: gan.spectral_norm(nn.ReLU()), "the network has no nn.Linear or nn.Conv2d"),
}  # fmt: skip

TRANSFORMER = {
    "half a pixel, after which whole ones failed, too": (
        lambda: transformer.patchify(X, 2.0), "the patch size is 2.0; expected a whole number"),
    "patches of 0": (lambda: transformer.patchify(X, 0), "the patch size is 0; expected a whole"),
    "patches of one image": (
        lambda: transformer.patchify(X[0], 2), "x has shape (1, 8, 8); expected images (B, C, H, "),
    "three heads for 16 numbers": (
        lambda: transformer.TokenAttention(16, 3), "dim is 16; expected a multiple of heads = 3"),
    "one t for a transformer": (lambda: dit(X, 5), "t is 5; expected 4 timesteps 1 … T, one for"),
    "a mask for a transformer's t": (lambda: dit(X, T > 0), "t has shape (4,), torch.bool; expect"),
    "float64 for a transformer": (
        lambda: dit(X.double(), T), "(4, 1, 8, 8) and is torch.float64; expected (B, 1, H, W)"),
}  # fmt: skip

CAPTIONS = {
    "a list for a caption": (
        lambda: scenes.layouts(["red seven"]), "the caption is ['red seven']; expected a text"),
    "a kind of caption that there isn't": (
        lambda: scenes.random_caption(scenes.Random(0), "four"), "kind is 'four'; expected one of"),
    "a seed for its generator": (
        lambda: scenes.random_caption(0), "random is 0; expected random.Random(0)"),
    "nothing to draw": (drawn(), "layouts is [()]; expected one with at least one"),
    "a place that there isn't, the big one to Python": (
        drawn((-1, "red", 7)), "a layout is ((-1, 'red', 7),); expected a place 0 … 4"),
    "a digit -1, a nine to Python": (drawn((0, "red", -1)), "expected a place 0 … 4, a colour and"),
    "a colour that there isn't": (drawn((0, "mauve", 7)), "expected a place 0 … 4, a colour and"),
    "captions for layouts": (
        lambda: scenes.draw_scenes(["red seven"], X, T), "a layout is 'red seven'; expected a pla"),
    "a digit that there are no drawings of": (
        lambda: scenes.draw_scenes([(RED,)], X, T), "a digit that y has for each thing"),
    "no scene": (lambda: scenes.make_scenes(0, X, T), "layouts is []; expected one with at le"),
    "digits of 0 … 255": (lambda: scenes.draw_scenes([(RED,)], WHITE, T), "the range of x0 is"),
    "scenes of 8 x 8": (
        lambda: scenes.Reader(4).read(torch.zeros(2, 3, 8, 8)), "x is torch.float32 of shape (2, "),
    "a scene of NaN, which had a red zero": (
        lambda: scenes.Reader(4).read(torch.full((2, 3, 16, 16), math.nan)), "is (nan, nan); exp"),
    "no scene to score": (
        lambda: scenes.score_scenes([], []), "read is []; expected a layout for each caption"),
    "a caption that can't be drawn": (
        lambda: scenes.score_scenes([(RED,)], ["red one above red two above red six"]),
        "the caption is 'red one above red two above red six'; expected one that can"),
    "no caption": (
        lambda: tokenizer.Tokenizer(["red"])([]), "captions is []; expected a list of text"),
    "a number for a caption": (lambda: tokenizer.Tokenizer(["red"])([7]), "captions is [7]; expe"),
    "words in one text, which became letters": (
        lambda: tokenizer.Tokenizer("red seven"), "pieces is 'red seven'; expected a list of"),
    "an empty piece, which never ended": (
        lambda: tokenizer.Tokenizer(["red", ""]), "pieces is ['red', '']; expected a list of"),
    "a piece in capitals, which no caption has": (
        lambda: tokenizer.Tokenizer(["Red"]), "expected a list of words in small letters"),
    "a mask that hides every word": (
        lambda: text.attention_weights(X, X, torch.zeros(4, 8, dtype=torch.bool)),
        "expected bool (4, 8), and in each row a True: a token that isn't padding"),
    "a mask of numbers for words": (
        lambda: text.attention_weights(X, X, torch.ones(4, 8)), "the mask is torch.float32 of sh"),
    "words without heads": (
        lambda: text.attention_weights(X[:, 0], X[:, 0], T > 0), "expected (B, heads, N, c), an"),
    "three heads for 8 channels": (
        lambda: text.CrossAttention(8, 4, 3), "channels is 8; expected a multiple of heads = 3"),
    "a caption with its start token, which it had twice": (
        lambda: tokenizer.Tokenizer(["red"])(["<start> red"]),
        "captions is ['<start> red']; expected texts alone: <start> and <pad> are added to them"),
    "captions for tokens": (
        lambda: encoder(["red"]), "y is ['red']; expected tokens 0 … 19, int64 (B, L)"),
    "one caption for four images": (
        lambda: text.TextCondition(8, 8, encoder)(T, T[:1, None]),
        "y is torch.int64 of shape (1, 1); expected 4 captions, one for each row"),
    "a tokenizer for their number": (
        lambda: text.TextUNet(tokenizer.Tokenizer(["red"])), "expected their number, len(token"),
    "reading at a level that there isn't": (
        lambda: text.TextUNet(20, mults=(1, 2), attention=(5,)), "attention is (5,); expected"),
    "maps of a network that doesn't read": (
        lambda: text.attention_maps(unet, X, T, T), "net is 'UNet'; expected one with cross-at"),
}  # fmt: skip

SOUNDS = {
    "no drum": (lambda: sounds.load_audio("drums", n=0), "n is 0; expected a whole number of sou"),
    "a name for a part of the sounds": (
        lambda: sounds.load_audio("drums", train="test"), "train is 'test'; expected True or Fals"),
    "an unknown speaker of drums": (
        lambda: sounds.load_audio("drums", speaker="bob"), "there is no speaker 'bob'; expected"),
    "a recording that is cut": (
        lambda: sounds.read_wav(written("cut.wav", cut=50)), "is empty or cut short: download it"),
    "a recording cut within a number": (
        lambda: sounds.read_wav(written("odd.wav", cut=51)), "is empty or cut short: download it"),
    "a recording without sound": (
        lambda: sounds.read_wav(written("none.wav", b"")), "is empty or cut short: download it"),
    "a recording cut in its head": (
        lambda: sounds.read_wav(written("head.wav", cut=220)), "isn't an intact WAV file ("),
    "a page for a recording": (
        lambda: sounds.read_wav(__file__), "isn't an intact WAV file (file does not start with"),
    "a recording of two channels in one row": (
        lambda: sounds.fitted(WAVE, 20), "x is torch.float32 (1, 3200); expected floats (L,)"),
    "a hop of 0": (lambda: audio.frames(WAVE, 512, 0), "n_fft is 512 and hop 0; expected"),
    "16 bits as they are": (
        lambda: audio.log_mel(WAVE * 32767), "expected floats in [-1, 1] without NaN; for 16 bits"),
    "16-bit integers": (lambda: audio.as_blocks(WAVE.short()), "x is torch.int16 with values that"),
    "one waveform without a batch": (
        lambda: audio.log_mel(WAVE[0]), "x has shape (3200,); expected waveforms (B, L)"),
    "waves of NaN as whole numbers": (lambda: audio.to_int16(WAVE * math.nan), "without NaN; for"),
    "a wave too loud for 8 bits, which wrapped": (lambda: audio.mu_law(3 * WAVE), "aren't a wav"),
    "momentum above 1": (
        lambda: audio.griffin_lim(torch.ones(1, 20, 257), momentum=5.0), "momentum 5.0; expected"),
    "one phase for two sounds": (
        lambda: audio.griffin_lim(torch.ones(2, 20, 257), 1, torch.zeros(1, 20, 257)),
        "expected a phase of shape (2, 20, 257)"),
    "magnitudes of NaN": (
        lambda: audio.griffin_lim(torch.full((1, 20, 257), math.nan)), "the smallest value nan"),
}  # fmt: skip

DISTILL = {
    "a step of a student without length": (
        lambda: distill.x0_between(S, POINTS, 5, POINTS, 5), "(t, s) is (5, 5); expected s < t"),
    "a step of a student with no room for two": (
        lambda: distill.progressive_loss(student, model, S, POINTS, [2, 1, 0]),
        "a step from t to t - 1 has no middle; expected times that are further apart"),
    "one error for four rows": (
        lambda: distill.row_error(POINTS, POINTS[:1]), "a has shape (4, 2); expected (1, 2)"),
    "a student with a variance, which broadcast": (
        lambda: distill.consistency_loss(*[distill.consistency(halves, S)] * 2, S, X, [100, 0]),
        "what the student gives has shape (4, 2, 8, 8); expected (4, 1, 8, 8)"),
    "a number of steps for their times": (
        lambda: distill.random_step(4, 9), "times is 4; expected whole numbers that fall to 0"),
    "a condition without an axis": (
        lambda: distill.mean_velocity(model, U), "y has shape (4,); expected (B, d)"),
    "all rows and as many again are the same": (
        lambda: distill.mean_flow_times(4, 2.0), "same is 2.0; expected a share from 0 to 1"),
    "a mean flow upwards": (
        lambda: distill.mean_flow_loss(lambda x, u, s: x, POINTS, U / 2, U),
        "expected times u and s, 4 each, 0 <= s <= u <= 1: use mean_flow_times(B)"),
    "one end for four rows of a mean flow": (
        lambda: distill.mean_flow_loss(lambda x, u, s: x, POINTS, U, 0 * U, POINTS[:1]),
        "x1 has shape (1, 2); expected (4, 2)"),
}  # fmt: skip

TOKENS = {
    "a list of texts": (lambda: tokens.encode(["a"]), "text is ['a']; expected one text, such as"),
    "a batch as one text": (lambda: tokens.decode(HIDDEN), "x is torch.int64 of shape (4, 6); "),
    "a token of -2, a bracket to Python": (
        lambda: tokens.decode(torch.tensor([-2])), "expected one row (L,) of 0 … 45, or -1"),
    "tokens in a list": (lambda: tokens.decode([1, 2]), "x is [1, 2]; expected tokens (torch.l"),
    "timesteps for shares of masks": (
        lambda: tokens.mask_tokens(HIDDEN + 1, 5 * T), "u is torch.int64 of shape (4,); expect"),
    "a share above 1": (
        lambda: tokens.mask_tokens(HIDDEN + 1, 500 * U), "expected 4 floats from 0 to 1, one for"),
    "shares as a column, which made a cube": (
        lambda: tokens.mask_tokens(HIDDEN + 1, U[:, None]), "u is torch.float32 of shape (4, 1); "),
    "logits for probabilities": (
        lambda: tokens.token_posterior(torch.ones(4, 6, 5), HIDDEN, 0.5, 0.2),
        "expected probabilities (B, L, V) with sum 1: for logits, use softmax(-1)"),
    "a step back to more masks": (
        lambda: tokens.token_posterior(torch.full((4, 6, 5), 0.2), HIDDEN, 0.2, 0.5),
        "(u, s) is (0.2, 0.5); expected s < u, such as t / T and (t - 1) / T"),
    "a text without its row to hide, which made a square": (
        lambda: tokens.mask_tokens(T, U), "x is torch.int64 of shape (4,); expected rows of toke"),
    "a text without its row to fill": (
        lambda: [*tokens.unmask(filler, HIDDEN[0])], "for one text, encode(text)[None]"),
    "a text without its row to write": (
        lambda: tokens.left_to_right(None, HIDDEN[0]), "for one text, encode(text)[None]"),
    "weights of NaN, which drew the first token": (
        lambda: tokens.gumbel_max(NAN), "expected a finite one for each token: check the weights"),
    "every token is banned": (
        lambda: tokens.gumbel_max(torch.full((4, 5), -torch.inf)), "and what is banned"),
    "masks in the data": (
        lambda: tokens.masked_loss(filler, HIDDEN), "expected tokens (B, L), not empty, and "),
    "no tokens to learn": (
        lambda: tokens.masked_loss(filler, HIDDEN[:0] + 1), "expected tokens (B, L), not empty, a"),
    "nothing is hidden": (
        lambda: tokens.masked_loss(filler, HIDDEN + 1, torch.zeros), "expected times above 0, whe"),
    "half a token": (
        lambda: [*tokens.unmask(filler, HIDDEN, 1.5)], "k is 1.5; expected at least 1 token a ste"),
    "text for tokens": (lambda: [*tokens.unmask(filler, "a_b")], "x is 'a_b'; expected tokens (to"),
    "a network that sees the answer": (
        lambda: tokens.next_token_loss(filler, HIDDEN + 1), "expected causal=True: this one sees"),
    "three heads for a width of 16": (
        lambda: token_net.TokenNet(5, 6, 16, 1, 3), "width is 16; expected a multiple of heads"),
    "one row without a batch": (
        lambda: filler(HIDDEN[0]), "x is torch.int64 of shape (6,); expected tok"),
    "a label too large for tokens": (
        lambda: token_net.TokenNet(5, 6, 16, 1, num_classes=3)(HIDDEN, 3 * T),
        "expected 4 labels 0 … 2, int64, one for each row"),
    "one label for four rows of tokens": (
        lambda: token_net.TokenNet(5, 6, 16, 1, num_classes=3)(HIDDEN, T[:1]),
        "expected 4 labels 0 … 2, int64, one for each row"),
    "grey levels of NaN": (lambda: tokens.to_levels(NAN), "expected grey images (B, 1, H, W) in"),
    "grey levels of 0 … 255": (lambda: tokens.to_levels(WHITE), "expected grey images (B, 1, H, W"),
    "levels beyond white": (
        lambda: tokens.from_levels(torch.full((1, 64), 30)), "and tokens below levels = 17"),
    "an image of 60 pixels": (
        lambda: tokens.from_levels(torch.zeros(1, 60).long()), "expected (B, H W) with H = height"),
}  # fmt: skip

FINETUNE = {
    "a drawing with another sign": (
        lambda: finetune.drawings("#.x"), "expected drawings of the signs . + and #, all of the"),
    "a ragged drawing": (lambda: finetune.drawings("##\n#"), "all of the same width"),
    "a LoRA of strength 0": (
        lambda: finetune.LoRA(nn.Linear(2, 2), alpha=0), "is (4, 0); expected a whole number an"),
    "one of two layers isn't there": (
        lambda: finetune.add_lora(unet, ("conv1", "qvk")), "names is ('conv1', 'qvk'); expected"),
    "a hint beside a second image": (
        lambda: control.Control(d.UNet(1, 8, (1, 2), cond_channels=1)),
        "expected a UNet of images (dims=2), without a second image (cond_channels=0)"),
    "a hint of bytes": (
        lambda: control.Control(unet)(X, T, None, X.byte()), "the hint is torch.uint8 or has a N"),
    "t / T with a hint": (
        lambda: control.Control(unet)(X, U, None, X), "t isn't 4 timesteps 1 … T; expected one"),
    "one t with a hint": (lambda: control.Control(unet)(X, T[:1], None, X), "t isn't 4 timesteps"),
    "a schedule that the page doesn't have": (
        lambda: pages.playground_file(d.UNet(1, 8, (1, 2), num_classes=10), S),
        "schedule.T is 100; expected cosine_schedule(1000), the only one that the page has"),
}  # fmt: skip

METRICS = {
    "features of NaN": (
        lambda: d.mmd(POINTS * math.nan, POINTS), "features is torch.float32 of shape (4, 2); ex"),
    "features of whole numbers": (lambda: d.precision_recall(T[:, None], T[:, None]), "features i"),
    "features of NumPy": (
        lambda: d.mmd(POINTS.numpy(), POINTS), "expected finite floats (N, D), N at least 2"),
    "a ball to the 20th of four": (
        lambda: d.precision_recall(POINTS, POINTS, 20), "k is 20; expected 1 … 3, fewer than the"),
    "variances for a covariance": (
        lambda: d.frechet_gaussians(U, U, U, U), "expected (D,), (D, D), (D,) and (D, D)"),
    "a matrix that is no covariance": (
        lambda: d.frechet_gaussians(U[:2], torch.tensor([[1, 0.9], [0, 1]]), U[:2], MEANS),
        "expected a symmetric one without NaN, x.T.cov()"),
    "more neighbours than rows": (lambda: d.nearest(X, X, 20), "k is 20; expected 1 … 4"),
    "features of bytes": (
        lambda: d.Classifier().features(X.byte()), "x is torch.uint8 of shape (4, 1, 8, 8); expec"),
    "a classifier of floats as labels": (
        lambda: d.fit_classifier(X, U), "y is torch.float32 of shape (4,); expected 4 labels 0,"),
    "a classifier of one class, which learned nothing": (
        lambda: d.fit_classifier(X, 0 * T), "expected 4 labels 0, 1, … (N,), int64, not all equal"),
    "a classifier of negative labels": (lambda: d.fit_classifier(X, -T), "expected 4 labels 0, 1,"),
    "samples of another size": (
        lambda: metrics.score(X, X[..., :4, :4], X, metrics.coarse_pixels), "images of one size"),
    "a name for features": (
        lambda: metrics.score(X, X, X, "inception"), "(features, halves) is ('inception', 20); e"),
}  # fmt: skip

CORE = {
    "values of 0 … 255 in a file, which were white": (
        lambda: d.save_images(FOLDER / "x.png", WHITE), "x has values 254 … 256; expected about -"),
    "values of 0 … 255 in a figure": (
        lambda: plot.show_images(WHITE), "x has values 254 … 256; expected about -1 … 1: use x /"),
    "labels dropped with probability 10": (
        lambda: d.drop_labels(T, 10, 0.1), "p is 10, null 0.1; expected a probability, and the"),
    "labels dropped for a fraction": (lambda: d.drop_labels(T, 0.1, 0.5), "of the same kind as y"),
    "a guidance scale as a text": (
        lambda: d.guided(unet, T, "3")(X, T), "w is '3'; expected a number, or a tensor with 4 ax"),
    "a guidance scale for each row": (
        lambda: d.guided(unet, T, U)(X, T), "expected a number, or a tensor with 4 axes as x has"),
    "the log-probabilities of all classes": (
        lambda: d.classifier_guided(unet, S, lambda x, t: x.flatten(1), 1.0)(X, T),
        "log_p gives the shape (4, 64); expected 4 numbers, that of the class you want in each"),
    "a target by its name": (
        lambda: d.ddpm_loss(unet, S, X, "v"), TypeError,
        "target is 'v'; expected a function, such as v_target"),
    "a learning rate as a text": (
        trained(None, lr="1e-3"), "lr '1e-3', clip 1.0; expected numbers above 0"),
    "half a step of training": (trained(None, steps=2.5), "steps is 2.5, lr 0.001, clip 1.0; expe"),
    "batches before the network": (
        lambda: next(d.train([POINTS], mlp, None, 1)), TypeError, "net is a list; expected a netw"),
    "an average of another network": (
        lambda: d.EMA(mlp).update(unet), "the weights and their average differ in shape or"),
    "no points": (
        lambda: d.load_points("two_moons", 0), "n is 0; expected a whole number of points"),
    "a text for a number of points": (
        lambda: d.load_points("gaussians", "100"), "n is '100'; expected a whole number of points"),
    "an embedding of 2 numbers, which were NaN": (
        lambda: d.time_embedding(T, 2), "dim 2; expected times (B,), and an even dim from 4"),
    "an embedding of a number": (
        lambda: d.time_embedding(0.5, 8), "t is 0.5, dim 8; expected times (B,), and an even dim"),
    "a width as a text": (lambda: d.UNet(1, "8"), "width is '8'; expected an even number, at leas"),
    "-1 classes": (
        lambda: d.UNet(num_classes=-1), "-1 classes, cond_dim 0; expected 0 or more"),
    "fewer labels than frames": (
        lambda: plot.animate(plot.draw_points, [POINTS] * 2, ["a"], 1),
        "there are 2 frames and 1 labels; expected a label for each frame"),
}  # fmt: skip

LOADERS = {
    **{f"a list of names for {load.__name__}": (
        lambda load=load: load(["digits"]), "there are no weights ['digits']; expected")
       for load in (d.load_pretrained, d.load_classifier, pretrained.load_flow,
                    pretrained.load_text, pretrained.load_student, pretrained.load_tokens,
                    pretrained.load_sound, pretrained.load_sound_classifier)},
    **{f"{load.__name__} without its file": (
        no_weights(load), FileNotFoundError, "is missing: install ddpm_lite again")
       for load in (pretrained.load_gan, pretrained.load_latent, pretrained.load_text,
                    d.load_pretrained, d.load_classifier)},
    **{f"{load.__name__} of another file": (
        other_weights(load, file), d.CheckpointError, "is of another version: install ddpm_lite")
       for load, file in (
           (pretrained.load_gan, "gan.pt"), (pretrained.load_dit, "dit.pt"),
           (pretrained.load_reader, "text.pt"), (pretrained.load_tokens, "tokens.pt"),
           (pretrained.load_recordings, "sounds.pt"), (d.load_pretrained, "digits.pt"))},
    "a name for a part of the prose": (
        lambda: pretrained.load_prose("test"), "train is 'test'; expected True or False"),
}  # fmt: skip

ROWS_OF = [LIKELIHOOD, SCORE, FLOW, EDITING, VAE_GAN, TRANSFORMER, CAPTIONS, SOUNDS, DISTILL,
           TOKENS, FINETUNE, METRICS, CORE, LOADERS]  # fmt: skip
FAULTS = {
    name: (do, kind[0] if kind else ValueError, words)
    for table in ROWS_OF
    for name, (do, *kind, words) in table.items()
}
for _name, _loss in LOSSES.items():
    FAULTS |= {
        f"bytes for {_name}": (lambda f=_loss: f((127 * X + 128).byte()), TypeError, DATA),
        f"0 … 255 for {_name}": (lambda f=_loss: f(WHITE), ValueError, RANGE),
        f"NaN for {_name}": (lambda f=_loss: f(NAN), ValueError, "is (nan, nan); expected about"),
        f"nothing for {_name}": (lambda f=_loss: f(X[:0]), TypeError, "(0, 1, 8, 8); expected at"),
    }


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_refused_in_one_sentence(fault):
    """The right exception, in a line that says what was given and what was expected."""
    assert complaint(fault) is None


def test_no_name_is_there_twice():
    assert len(FAULTS) == sum(map(len, ROWS_OF)) + 4 * len(LOSSES)


def test_every_fault_is_refused_without_asserts_as_well():
    """python -O removes asserts, so no check may be one: the package, compiled as -O does it."""
    with package({}, optimize=1):
        faults = load("test_faults_today.py")
        assert {name: c for name, x in faults.FAULTS.items() if (c := faults.complaint(x))} == {}
