# SPDX-License-Identifier: BSD-2-Clause
#
# The code we build on, as Debian 13's source packages: version, path in the archive's pool,
# SHA-256.  Read by deps.sh (as text: one plain assignment a line) and by rules.mk.  To take a new
# version change the three lines, run `make`, and compare the hash with the one in the package's
# .dsc.

newlib_version = 4.5.0.20241231
newlib_file    = n/newlib/newlib_4.5.0.20241231.orig.tar.gz
newlib_sha256  = 33f12605e0054965996c25c1382b3e463b0af91799001f5bb8c0630f2ec8c852

libfdt_version = 1.7.2
libfdt_file    = d/device-tree-compiler/device-tree-compiler_1.7.2.orig.tar.xz
libfdt_sha256  = 92d8ca769805ae1f176204230438fe52808f4e1c7944053c9eec0e649b237539

lwip_version = 2.2.1
lwip_file    = l/lwip/lwip_2.2.1+dfsg1.orig.tar.xz
lwip_sha256  = 83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1
