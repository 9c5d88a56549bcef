//go:build race

package sim

// schedules is how many a plain run of the tests takes: the race detector makes each ten times as dear.
const schedules = 300
