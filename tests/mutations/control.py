"""Bugs of control.py: name: (function, code, what it becomes, the test that must fail). S17 is a
mistake that published code really made."""

BUGS = {
    "S17: a connection that isn't zero": (
        "Branch.__init__", "zero(nn.Conv2d(c, c, 1))", "nn.Conv2d(c, c, 1)",
        "test_with_its_zero_convolutions_the_branch_changes_nothing_and_learns"),
    "S17: the copy starts at zero": (
        "Branch.__init__", "copy.deepcopy(nn.ModuleList([net.conv_in, net.down, net.mid]))",
        "zero(copy.deepcopy(nn.ModuleList([net.conv_in, net.down, net.mid])))",
        "test_with_its_zero_convolutions_the_branch_changes_nothing_and_learns"),
    "the branch is always in float32": (
        "Branch.__init__", "self.to(net.conv_in.weight)", "",
        "test_the_branch_has_the_precision_of_the_network"),
    "the branch isn't a copy": (
        "Branch.__init__", "copy.deepcopy(nn.ModuleList([net.conv_in, net.down, net.mid]))",
        "nn.ModuleList([net.conv_in, net.down, net.mid])",
        "test_the_branch_is_a_copy_that_learns_and_the_network_is_frozen"),
    "the hint isn't seen": (
        "Branch.forward", "self.conv_in(x) + self.see(hint)", "self.conv_in(x)",
        "test_every_connection_of_the_branch_reaches_the_output"),
    "the middle isn't connected": (
        "Control.added", "h = h + extra.pop()", "extra.pop()",
        "test_every_connection_of_the_branch_reaches_the_output"),
    "the skips aren't connected": (
        "Control.added", "skips.pop() + extra.pop()", "skips.pop()",
        "test_every_connection_of_the_branch_reaches_the_output"),
    "any size will do": (
        "_check_input", "net.image_size or x.shape[2:]", "x.shape[2:]",
        "test_what_the_network_refuses_is_refused_with_a_hint_too"),
    "any channels will do": (
        "_check_input", "x.shape[1:] == (net.channels, *sides)", "x.shape[2:] == (*sides,)",
        "test_what_the_network_refuses_is_refused_with_a_hint_too"),
    "the middle is subtracted": (
        "Control.added", "h = h + extra.pop()", "h = h - extra.pop()",
        "test_what_the_branch_gives_is_added"),
    "skips are subtracted": (
        "Control.added", "skips.pop() + extra.pop()", "skips.pop() - extra.pop()",
        "test_what_the_branch_gives_is_added"),
    "S17: hints are scaled like images": (
        "edges", "(F.max_pool2d(x, 3, stride=1, padding=1) - x) / 2",
        "F.max_pool2d(x, 3, stride=1, padding=1) - x - 1", "test_edges_are_the_outline"),
}  # fmt: skip
