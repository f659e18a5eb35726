"""Bugs of classifier.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "features in training mode": (
        "Classifier.features", "self.eval()", "self.train()",
        "test_features_and_probabilities_belong_together"),
    "one class": (
        "_sizes", "0 <= y.min() < y.max()", "0 <= y.min()",
        "test_faults_today.py::test_a_fault_is_refused_in_one_sentence"
        "[a classifier of one class, which learned nothing]"),
    "a seed that is lost": (
        "fit_classifier", "torch.default_generator.manual_seed(seed)", "None",
        "test_fitting_depends_on_its_seed_alone_and_leaves_the_generator"),
    "a GPU's seed is set and not restored": (
        "fit_classifier", "torch.default_generator.manual_seed(seed)", "torch.manual_seed(seed)",
        "test_fitting_leaves_the_generators_of_gpus"),
    "a GPU's seed is set by random features": (
        "random_features", "torch.default_generator.manual_seed(seed)", "torch.manual_seed(seed)",
        "test_fitting_leaves_the_generators_of_gpus"),
}  # fmt: skip
