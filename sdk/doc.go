// Package sdk is the contract between the plume host and its plugins: the nouns
// they share and the promises each side makes.
//
// There are three roles. A [Model] moves an ensemble forward in time, an
// [ObservationOperator] says what an instrument would have seen of it, and a
// [Filter] turns a forecast ensemble and an observation into an analysis
// ensemble. A [Plugin] is one of these before it is configured; the same struct
// describes a plugin in the same process and one that answers over a socket.
//
// # Promises of a plugin
//
//   - It is a pure function of its request. Seed, cycle, time and whatever a
//     filter carries over from cycle to cycle travel in the request, so a cycle
//     can be replayed, a run resumed and members split over processes, and the
//     bytes are the same.
//   - It never modifies what it was given. Results go into the matrices named
//     Into, Predicted, Simulated, LogLikelihood and Gradient, whose former
//     content is undefined.
//   - It answers finite numbers. A member that cannot be computed is listed as a
//     [MemberFailure], never filled with NaN. The one exception is a
//     log-likelihood of -Inf: this observation is impossible for that member.
//   - It returns an [*Error] whose [Kind] says who must act. A panic is for its
//     own bugs only.
//   - It may be called from several goroutines at once.
//
// # Orientation
//
// Rows are members, everywhere: an ensemble of N members of n values is an
// N x n matrix in row-major order, which is at the same time the buffer of an
// Arrow FixedSizeList<float64>[n] column and a gonum mat.Dense.
//
// # Notation
//
// Symbols follow Ide et al. (1997, doi:10.2151/jmsj1965.75.1B_181) with rows as
// members; docs/notation.md has the table.
package sdk
