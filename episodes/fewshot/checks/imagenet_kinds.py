"""Which classes of ImageNet are of the kind of a class: what a pretrained backbone has seen of it, with its name.

ImageNet's 1000 classes stand in the order of WordNet's tree where they are animals, so that a kind is mostly a range.
"""

import re
from collections.abc import Mapping, Sequence

from episodes.data.source import same_name

# Numbers of ImageNet's classes, from 0. The names are those of PASCAL VOC and of COCO in `same_name`'s spelling.
KINDS: Mapping[str, Sequence[int]] = {
    "aeroplane": (404, 895),
    "apple": (948,),
    "backpack": (414,),
    "baseball bat": (),
    "baseball glove": (),
    "bear": range(294, 298),
    "bed": (564,),
    "bench": (703,),
    "bicycle": (444, 671),
    "bird": (*range(7, 25), *range(80, 101), *range(127, 147)),
    "boat": (472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 871, 914),
    "book": (917, 921),
    "bottle": (440, 720, 737, 898, 907),
    "bowl": (659, 809),
    "broccoli": (937,),
    "bus": (654, 779, 874),
    "cake": (),
    "car": (407, 436, 468, 511, 609, 627, 656, 661, 717, 751, 817),
    "carrot": (),
    "cat": range(281, 286),
    "cell phone": (487,),
    "chair": (423, 559, 765, 857),
    "clock": (409, 530, 892),
    "cow": (345,),
    "cup": (504, 647, 968),
    "diningtable": (532,),
    "dog": range(151, 269),
    "donut": (),
    "elephant": (385, 386),
    "fire hydrant": (),
    "fork": (),
    "frisbee": (),
    "giraffe": (),
    "hair drier": (589,),
    "handbag": (748,),
    "horse": (339,),
    "hot dog": (934,),
    "keyboard": (508, 878),
    "kite": (),  # the bird of this name, 21, is another thing
    "knife": (499,),
    "laptop": (620, 681),
    "microwave": (651,),
    "motorbike": (665, 670),
    "mouse": (673,),
    "orange": (950,),
    "oven": (544, 827),
    "parking meter": (704,),
    "person": (981, 982, 983),
    "pizza": (963,),
    "pottedplant": (),
    "refrigerator": (760,),
    "remote": (761,),
    "sandwich": (933, 934),
    "scissors": (),
    "sheep": (348, 349),
    "sink": (896,),
    "skateboard": (),
    "skis": (795,),
    "snowboard": (),
    "sofa": (831,),
    "spoon": (618, 910),
    "sports ball": (429, 430, 522, 574, 722, 768, 805, 852, 890),
    "stop sign": (919,),
    "suitcase": (),
    "surfboard": (),
    "teddy bear": (850,),
    "tennis racket": (752,),
    "tie": (451, 457, 906),
    "toaster": (859,),
    "toilet": (861,),
    "toothbrush": (),
    "traffic light": (920,),
    "train": (466, 547, 565, 705, 820),
    "truck": (555, 569, 675, 717, 734, 864, 867),
    "tvmonitor": (664, 851),
    "umbrella": (879,),
    "vase": (883,),
    "wine glass": (572,),
    "zebra": (340,),
}
"""By what the classes are, not by what they are called: empty where ImageNet has none of the kind."""
OTHER_THINGS = frozenset({"guinea pig", "hot pot", "madagascar cat", "sea lion"})
"""Names of ImageNet whose last word is another kind's."""


def imagenet_names() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in the order of its classifiers."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def imagenet_classes_of(name: str) -> tuple[str, ...]:
    """The classes of ImageNet that are of the kind of a class, by its name, in the order of ImageNet.

    For the classes of PASCAL VOC and COCO by a table. For others those of the same name, and those whose name ends with
    it, as a soup bowl is a bowl; ImageNet's class of another name but the same kind is not found.

    >>> imagenet_classes_of("cow"), imagenet_classes_of("giraffe"), imagenet_classes_of("golf_ball")
    (('ox',), (), ('golf ball',))
    """
    names, plain = imagenet_names(), same_name(name)
    if plain in KINDS:
        return tuple(names[number] for number in KINDS[plain])
    ends = re.compile(rf"(^|\s){re.escape(plain)}$")
    return tuple(each for each in names if ends.search(each.lower()) and each.lower() not in OTHER_THINGS)
