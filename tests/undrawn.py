"""Figures made but not drawn (``prepare`` of ``commands.run``), where a test is of other things:
drawing takes most of the time of what draws."""


def figures():
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    Figure.tight_layout = lambda self, **kwargs: None
    Figure.get_tightbbox = lambda self, *args, **kwargs: Bbox.unit()
    Figure.savefig = lambda self, file, **kwargs: None


UNDRAWN = ("undrawn", "figures")
