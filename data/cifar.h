// CIFAR-10's binary version (Krizhevsky 2009): data_batch_1.bin .. data_batch_5.bin and
// test_batch.bin, each a row of records of 3,073 bytes: the class (0 .. 9), then 32 x 32 bytes of
// red, of green and of blue. batches.meta.txt names the classes.
#pragma once

#include <filesystem>

#include "data/dataset.h"

namespace bonsai {

bool is_cifar_folder(const std::filesystem::path& folder);

// Without statistics. Throws Error when a file is missing, no whole number of records, has a
// class above 9, or when the classes of the training or the test part are not equally frequent
// (those of the real data are, so that a shortened file is noticed).
Dataset read_cifar(const std::filesystem::path& folder);

}  // namespace bonsai
