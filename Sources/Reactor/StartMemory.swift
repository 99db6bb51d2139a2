// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Memory that a program has used for its start, and for nothing else.
public enum StartMemory {
    /// Gives back what was freed, and pages of the program and its libraries; those that are used come back one by one,
    /// by a minor fault each. Once, for a program that has started and loads nothing more.
    public static func release() {
        linux_trim_memory()
        _ = linux_release_file_pages()
    }
}
