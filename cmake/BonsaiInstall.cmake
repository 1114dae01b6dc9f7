# Install rules: see the end of this file.
