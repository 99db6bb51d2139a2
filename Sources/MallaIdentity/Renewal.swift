// SPDX-License-Identifier: Apache-2.0

/// When certificates are renewed. Times are seconds since 1970; randomness is a share of one, passed in.
public enum Renewal {
    /// When a certificate is renewed: at half of its life, up to a tenth of its life earlier, so that what was issued
    /// together is not renewed together.
    public static func time(notBefore: Int64, notAfter: Int64, random: Double) -> Int64 {
        let life = Double(max(0, notAfter - notBefore))
        return notBefore + Int64(life * (0.5 - 0.1 * share(random)))
    }

    /// How long to wait after so many failures in a row: a second, doubling to five minutes, each time between half of
    /// that and all of it.
    ///
    /// - Parameter left: how long what there is holds. The closer its end, the more often it is tried: who has nothing
    ///   that holds waits fifteen seconds at most, so that the mesh is whole soon after its authority is.
    public static func pause(failures: Int, left: Int64 = .max, random: Double) -> Int64 {
        let most = min(300, max(15, left / 4))
        let longest = Double(min(most, 1 << min(max(failures - 1, 0), 9)))
        return max(1, Int64((longest * (0.5 + 0.5 * share(random))).rounded()))
    }

    private static func share(_ random: Double) -> Double { min(max(random, 0), 1) }
}
