// Package benchmarks measures this library beside what one would use instead, in one run: a bare handler, scs alone,
// goth's gothic, and golang.org/x/oauth2 by hand. It is a module of its own, so that the peers reach nobody.
//
// `make bench` runs it and writes docs/performance.md.
package benchmarks
