// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What other programs of the machine print.
enum ShellOutput {
    private static let limit = 8 << 20

    /// The standard output of a command that ends well within ten seconds; `nil` where there is no such program, it
    /// fails or takes longer.
    static func of(_ command: [String]) -> String? {
        var ends: [CInt] = [-1, -1]
        guard let program = command.first, pipe(&ends) == 0 else { return nil }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var words = command.map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let failure = posix_spawnp(&child, program, &actions, nil, words, environ)
        close(ends[1])
        guard failure == 0 else { return nil }

        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        var wait = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        var isWhole = false
        while bytes.count < limit, poll(&wait, 1, 10_000) > 0 {
            let count = read(ends[0], &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            isWhole = count == 0
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        if !isWhole { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return isWhole && status == 0 ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
