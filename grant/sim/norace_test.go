//go:build !race

package sim

// schedules is how many a plain run of the tests takes: some seconds' worth.
const schedules = 2000
