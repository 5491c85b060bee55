"""How networks learn, whatever the lesson: one file a method."""

from train.loop.method import Method
from train.methods.cyclegan import CycleGan
from train.methods.gan import Gan
from train.methods.paired import Paired
from train.methods.unpaired import Unpaired

METHODS: dict[str, type[Method]] = {"paired": Paired, "gan": Gan, "cyclegan": CycleGan, "unpaired": Unpaired}
