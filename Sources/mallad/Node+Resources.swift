// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaModel
import MallaResources
import MallaSources

/// The resource directory: read whole, in force whole or not at all.
extension Node {
    /// Reads the directory and puts its resources into force, or says why not.
    func reload() async {
        directoryWatch.watch(source.watched)
        fingerprint = source.fingerprint()
        do {
            guard let files = try source.read() else {
                try await directoryIsMissing()
                return
            }
            try await take(files.map { ResourceFile(name: $0.name, bytes: $0.bytes) })
        } catch {
            await refuse(error)
        }
    }

    /// Looks whether the directory changed without inotify having said so, as network file systems do; and tries
    /// again what failed for another reason than what the files say.
    func rescan() async {
        if config.mayPass || source.fingerprint() != fingerprint { await reload() }
    }

    private func take(_ files: [ResourceFile]) async throws {
        // Something beside them changed, or they were written as they were: reading thousands of resources takes seconds.
        let word = Self.word(for: files)
        if word == taken, config.problem == nil {
            config.lastSuccess = WallClock.seconds()
            return
        }
        let loaded = try ResourceReader().read(files).get()
        try checkRuns(against: loaded.mesh)
        let isNew = loaded != self.loaded
        try await put(loaded)
        taken = word
        let wasRefused = config.problem != nil
        config.problem = nil
        config.mayPass = false
        config.problems = 0
        config.lastSuccess = WallClock.seconds()
        guard isNew || wasRefused || config.taken == 0 else { return }
        config.taken += 1
        logger.info(
            "resources are in force", metadata: ["files": "\(files.count)", "resources": "\(loaded.origins.count)"])
        for warning in loaded.warnings {
            logger.warning(
                "a resource in force does less than it says",
                metadata: ["resource": "\(warning.kind) \(warning.name)", "problem": "\(warning)"])
        }
        do {
            try state.save(files)
        } catch {
            logger.warning(
                "resources are in force and not kept for a start with bad ones", metadata: ["error": "\(error)"])
        }
    }

    /// Other files have another word, within the life of this process.
    private static func word(for files: [ResourceFile]) -> Int {
        var hasher = Hasher()
        for file in files {
            hasher.combine(file.name)
            hasher.combine(file.bytes.count)
            file.bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
        return hasher.finalize()
    }

    /// A workload of the directory may not take the place of one that runs.
    private func checkRuns(against mesh: Mesh) throws {
        var mesh = mesh
        var problems: [ResourceProblem] = []
        for workload in runs.workloads.values.sorted(by: { $0.name < $1.name }) {
            problems += mesh.problems(admitting: workload, on: settings.node).map { problem in
                var problem = problem
                problem.message = "the workload that `malla run` started does not fit in: \(problem.message)"
                return problem
            }
            mesh.workloads[workload.name] = workload
        }
        guard problems.isEmpty else { throw ResourceProblems(problems: problems, omitted: 0) }
    }

    /// An empty directory means an empty mesh. One that is not there means that nobody knows, unless there never was
    /// one.
    private func directoryIsMissing() async throws {
        if loaded == nil, try state.resources() == nil {
            logger.notice(
                "the resource directory does not exist yet; the mesh is empty",
                metadata: ["config": "\(settings.config)"])
            try await take([])
        } else if loaded?.origins.isEmpty != true {
            throw SettingError(
                "\(settings.config): error: the directory does not exist. What was in force stays; restore the directory."
            )
        }
    }

    private func refuse(_ error: any Error) async {
        let text = "\(error)"
        let known = config.problem
        config.problem = text
        config.mayPass = !(error is ResourceProblems)
        config.problems = (error as? ResourceProblems).map { $0.problems.count + $0.omitted } ?? 1
        if known != text {
            config.refused += 1
            for line in text.split(separator: "\n") {
                logger.error("resources are refused", metadata: ["problem": "\(line)"])
            }
        }
        if loaded == nil { await fallBack() }
    }

    /// At start, when the directory's resources are not valid: those of the last run.
    private func fallBack() async {
        do {
            guard let files = try state.resources() else {
                logger.error("there are no resources of an earlier run either: workloads are refused until there are")
                return
            }
            let loaded = try ResourceReader().read(files).get()
            try await put(loaded)
            logger.warning("the resources of the last run are in force", metadata: ["files": "\(files.count)"])
        } catch {
            logger.error("the resources of the last run cannot be used", metadata: ["error": "\(error)"])
        }
    }
}
