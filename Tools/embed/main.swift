// SPDX-License-Identifier: Apache-2.0

// embed TARGET CLANG BPF-FOLDER PROGRAMS-FOLDER OUTPUT SOURCE…
//
// Compiles each SOURCE for the BPF machine and writes OUTPUT, a Swift file that holds the objects as base64 in static
// strings: array literals of bytes take the Swift compiler minutes, a string takes it a second, and resources would be
// files to install and to lose.

let arguments = CommandLine.arguments
guard arguments.count >= 6 else {
    complain("usage: embed TARGET CLANG BPF-FOLDER PROGRAMS-FOLDER OUTPUT SOURCE…")
}
let (target, clang, root, programs, output) = (arguments[1], arguments[2], arguments[3], arguments[4], arguments[5])
let compiler = BPFCompiler(clang: clang, root: root)
let workFolder = folder(of: output)

var objects: [(name: String, base64: String)] = []
for source in arguments[6...] {
    guard source.hasPrefix(programs + "/"), source.hasSuffix(".bpf.c") else {
        complain("\(source): not a *.bpf.c below \(programs)")
    }
    let name = String(source.dropFirst(programs.count + 1).dropLast(".bpf.c".count))
    // Hidden, because SwiftPM takes visible files in its output folder for resources.
    let object = workFolder + "/." + String(name.map { $0 == "/" ? "-" : $0 }) + ".bpf.o"
    compiler.compile(source, to: object)
    objects.append((name, base64(readFile(object))))
}
writeFile(output, generatedSource(target: target, objects: objects))
