"""The networks that Bonsai is timed against in PyTorch, for pictures of 32x32 and ten classes.

Layer for layer those of zoo/, with the same number of parameters (`bonsai summary NET`):
`python3 torch_nets.py` prints them.
"""
import torch
import torch.nn.functional as F
from torch import nn


def conv(inputs, outputs, kernel=3, stride=1, groups=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)


def conv_bn(inputs, outputs, kernel=3, stride=1, groups=1):
    return [conv(inputs, outputs, kernel, stride, groups), nn.BatchNorm2d(outputs)]


def conv_bn_relu(inputs, outputs, kernel=3, stride=1, groups=1):
    return conv_bn(inputs, outputs, kernel, stride, groups) + [nn.ReLU(inplace=True)]


def classifier(inputs):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)]


class Shuffle(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        n, c, h, w = x.shape
        y = x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)
        return y.contiguous(memory_format=torch.channels_last)


def vgg(plan, bias, features):
    layers, channels = [], 3
    for step in plan:
        if step == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [conv(channels, step, bias=bias), nn.BatchNorm2d(step), nn.ReLU(inplace=True)]
        channels = step
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 10))


class ResNetBlock(nn.Module):
    """The shortcut takes every stride-th pixel and adds channels of zeros."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(*conv_bn_relu(inputs, outputs, 3, stride),
                                  *conv_bn(outputs, outputs))
        self.stride, self.zeros = stride, outputs - inputs

    def forward(self, x):
        y = self.body(x)
        if self.stride > 1:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.zeros))
        return F.relu(y + x)


def resnet(depth):
    layers, channels = conv_bn_relu(3, 16), 16
    for width in (16, 32, 64):
        for block in range((depth - 2) // 6):
            layers.append(ResNetBlock(channels, width, 2 if width > 16 and block == 0 else 1))
            channels = width
    return nn.Sequential(*layers, *classifier(channels))


class Residual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


class Scale(nn.Module):
    def forward(self, x):
        return x * 0.125


def resnet9():
    layers, channels = conv_bn_relu(3, 64), 64
    for stage in (1, 2, 3):
        width = 64 << stage
        layers += conv_bn_relu(channels, width) + [nn.MaxPool2d(2)]
        if stage != 2:
            layers.append(Residual(nn.Sequential(*conv_bn_relu(width, width),
                                                 *conv_bn_relu(width, width))))
        channels = width
    return nn.Sequential(*layers, nn.MaxPool2d(4), nn.Flatten(), nn.Linear(512, 10, bias=False),
                         Scale())


def mobilenet():
    layers, channels = conv_bn_relu(3, 32), 32
    for width, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + \
            5 * [(512, 1)] + [(1024, 2), (1024, 1)]:
        layers += conv_bn_relu(channels, channels, 3, stride, channels)
        layers += conv_bn_relu(channels, width, 1)
        channels = width
    return nn.Sequential(*layers, *classifier(channels))


class ShuffleNetUnit(nn.Module):
    def __init__(self, inputs, outputs, stride, groups_in, groups):
        super().__init__()
        middle = outputs // 4
        self.stride = stride
        self.body = nn.Sequential(
            *conv_bn_relu(inputs, middle, 1, 1, groups_in), Shuffle(groups),
            *conv_bn(middle, middle, 3, stride, middle),
            *conv_bn(middle, outputs if stride == 1 else outputs - inputs, 1, 1, groups))

    def forward(self, x):
        y = self.body(x)
        if self.stride == 1:
            return F.relu(x + y)
        return F.relu(torch.cat([F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), y], 1))


def shufflenet():
    layers, channels = conv_bn_relu(3, 24), 24
    for stage, units in enumerate((4, 8, 4)):
        for unit in range(units):
            layers.append(ShuffleNetUnit(channels, 240 << stage, 2 if unit == 0 else 1,
                                         1 if stage == unit == 0 else 3, 3))
            channels = 240 << stage
    return nn.Sequential(*layers, *classifier(channels))


def igc(primary, channels_in_group):
    width = primary * channels_in_group
    layers, channels = conv_bn_relu(3, width), width
    for stage in range(3):
        outputs = width << stage
        for block in range(6):
            layers += [conv(channels, outputs, 3, 2 if stage > 0 and block == 0 else 1, primary),
                       Shuffle(primary), conv(outputs, outputs, 1, 1, outputs // primary),
                       Shuffle(outputs // primary), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            channels = outputs
    return nn.Sequential(*layers, *classifier(channels))


class DenseLayer(nn.Module):
    def __init__(self, channels, growth, bottleneck):
        super().__init__()
        middle = 4 * growth if bottleneck else channels
        layers = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        if bottleneck:
            layers += conv_bn_relu(channels, middle, 1)
        self.body = nn.Sequential(*layers, conv(middle, growth))

    def forward(self, x):
        return torch.cat([x, self.body(x)], 1)


def densenet(per_block, growth, bottleneck):
    channels = 2 * growth if bottleneck else 16
    layers = [conv(3, channels)]
    for block in range(3):
        if block > 0:
            outputs = channels // 2 if bottleneck else channels
            layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), conv(channels, outputs, 1),
                       nn.AvgPool2d(2)]
            channels = outputs
        for _ in range(per_block):
            layers.append(DenseLayer(channels, growth, bottleneck))
            channels += growth
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
                         *classifier(channels))


VGG_SMALL = [32, 32, "M", 64, 64, "M", 128, 128, "M"]
VGG11 = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]
VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]

NETS = {
    "vgg_small": lambda: vgg(VGG_SMALL, False, 2048),
    "vgg11": lambda: vgg(VGG11, True, 512),
    "vgg16": lambda: vgg(VGG16, True, 512),
    "resnet9": resnet9,
    "resnet20": lambda: resnet(20),
    "resnet56": lambda: resnet(56),
    "mobilenet": mobilenet,
    "shufflenet": shufflenet,
    "igc_l24m2": lambda: igc(24, 2),
    "igc_l4m8": lambda: igc(4, 8),
    "densenet40": lambda: densenet(12, 12, False),
    "densenet_bc100": lambda: densenet(16, 12, True),
}

if __name__ == "__main__":
    for name, build in NETS.items():
        print(name, sum(p.numel() for p in build().parameters()))
