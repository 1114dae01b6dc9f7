// What papers and their authors' code state of the networks of the zoo, to be read beside our own
// counts. Rounded as printed there; a figure that could not be found is left empty.
#pragma once

#include <string_view>

namespace bonsai::zoo {

struct Published {
  std::string_view network;
  std::string_view params;
  std::string_view macs;
  std::string_view error;   // top-1, in percent, of CIFAR-10 or ImageNet
  std::string_view source;  // who states it
};

// All fields empty for a network of which nothing is known.
Published published(std::string_view network);
int published_count();

}  // namespace bonsai::zoo
