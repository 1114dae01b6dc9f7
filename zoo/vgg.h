// VGG: stacks of 3x3 convolutions between halvings (Simonyan and Zisserman 2014, "Very Deep
// Convolutional Networks for Large-Scale Image Recognition", arXiv:1409.1556), each convolution
// followed by a batch norm, which the paper did not know yet.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32: depth 11, 13, 16 or 19, a single fully connected layer (kuangliu's
// pytorch-cifar, whose weights fit by name). The convolutions have biases.
std::unique_ptr<Layer> vgg(const Spec& spec, int depth);

// The same with hidden layers of 512, 512 with dropout (chenyaofo's pytorch-cifar-models).
std::unique_ptr<Layer> vgg_chenyaofo(const Spec& spec, int depth);

// VGG-16 as pruned by Li et al. 2017 (arXiv:1608.08710): a hidden layer of 512 with batch norm.
std::unique_ptr<Layer> vgg16_li(const Spec& spec);

// For pictures of 224x224: hidden layers of 4096, 4096 with dropout; names as in torchvision.
std::unique_ptr<Layer> vgg_224(const Spec& spec, int depth);

// Six convolutions of 32 to 128 channels: quick to train, the network of the examples.
std::unique_ptr<Layer> vgg_small(const Spec& spec);

}  // namespace bonsai::zoo
