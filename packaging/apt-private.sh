# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# An apt of one's own: with its lists and settings in a directory, an empty status file, and
# Debian's archives as its only source. Neither the machine's apt setup nor what is installed is used,
# and nothing can be installed with it: it is for `apt-get download` and the like. Sourced.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg
debian_mirror=${KVMSCOPE_MIRROR:-http://deb.debian.org}

# apt_private DIR ARCH ARCHIVE/SUITE...: e.g. debian/trixie. From now on apt means that one.
apt_private() {
	local dir=$1 arch=$2 source
	shift 2
	mkdir -p "$dir"/{state/lists/partial,cache/archives/partial,etc/preferences.d}
	: >"$dir/status"
	for source; do
		echo "deb [signed-by=$debian_keyring] $debian_mirror/${source%/*} ${source#*/} main"
	done >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-END
		Dir "$dir";
		Dir::Etc "$dir/etc";
		Dir::Etc::Main "/dev/null";
		Dir::Etc::Parts "/dev/null";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::SourceList "$dir/sources.list";
		Dir::State "$dir/state";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none";
		Acquire::GzipIndexes "true";
		Acquire::Retries "3";
		Acquire::http::Timeout "20";
	END
	export APT_CONFIG=$dir/apt.conf
}
