"""Guard rails over the resource graph, for `pulumi preview --policy-pack policy` and for the tests."""
