// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The Swift toolchain's own clang, called for the BPF machine.
struct BPFCompiler {
    /// Path of clang.
    let clang: String
    /// The `bpf` folder, which has `include` and `lib`.
    let root: String

    /// Compiles one program; ends this process with clang's exit code when it fails, after clang has said why.
    func compile(_ source: String, to object: String) {
        run([
            clang, "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror",
            "-I\(root)/include", "-I\(root)/lib", "-D\(Self.targetMacro)",
            // -target bpf loses the multi-arch folder where asm/types.h is.
            "-idirafter", "/usr/include/\(Self.hostTriple)",
            // The checkout's place must not be part of the object.
            "-ffile-prefix-map=\(root)/=", "-fdebug-compilation-dir=.",
            "-c", source, "-o", object,
        ])
        // DWARF is twice the size of the rest and nobody reads it at run time; BTF stays.
        let stripper = folder(of: clang) + "/llvm-objcopy"
        if access(stripper, X_OK) == 0 { run([stripper, "--strip-debug", object]) }
    }

    private static var hostTriple: String {
        #if arch(x86_64)
            "x86_64-linux-gnu"
        #elseif arch(arm64)
            "aarch64-linux-gnu"
        #else
            #error("add this machine's multi-arch folder of /usr/include")
        #endif
    }

    /// What libbpf calls the machine that runs the programs: this one. `lib/changes.h` asks for it.
    private static var targetMacro: String {
        #if arch(x86_64)
            "__TARGET_ARCH_x86"
        #else
            "__TARGET_ARCH_arm64"
        #endif
    }

    private func run(_ command: [String]) {
        var pointers = command.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        let failure = posix_spawn(&child, command[0], nil, nil, pointers, environ)
        guard failure == 0 else { complain("\(command[0]): \(String(cString: strerror(failure)))") }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { complain("\(command[0]): waitpid: \(String(cString: strerror(errno)))") }
        }
        let exited = status & 0x7f == 0
        let code = (status >> 8) & 0xff
        guard exited, code == 0 else { exit(exited ? code : 1) }
    }
}
