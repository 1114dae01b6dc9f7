// The name a person probably meant, for errors such as "unknown network 'vgg_smal' (did you mean
// 'vgg_small'?)".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bonsai {

// The candidate with the fewest edits (insert, delete, replace) to `word`; the first of equals.
// Empty when none is near: more than a third of the word would change (1 edit is always near).
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// " (did you mean 'vgg_small'?)", or what there is: " (known: vgg_small, vgg16)". Empty when
// nothing is near and there are more than 20, which nobody reads in one line.
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace bonsai
