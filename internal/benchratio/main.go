// Command benchratio reads the output of `go test -bench` and prints, for each benchmark with the
// sub-benchmarks by=store and by=api, the ratio of their medians: machines drift, so runs of one process
// are compared, and no times.
package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
)

var line = regexp.MustCompile(`^(Benchmark\w+)/by=(\w+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`)

func main() {
	times := map[string]map[string][]float64{}
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		m := line.FindStringSubmatch(scanner.Text())
		if m == nil {
			continue
		}
		ns, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			continue
		}
		if times[m[1]] == nil {
			times[m[1]] = map[string][]float64{}
		}
		times[m[1]][m[2]] = append(times[m[1]][m[2]], ns)
	}
	if len(times) == 0 {
		fmt.Fprintln(os.Stderr, "benchratio: the input has no benchmarks with by=store and by=api")
		os.Exit(1)
	}
	for _, name := range slices.Sorted(maps.Keys(times)) {
		store, api := median(times[name]["store"]), median(times[name]["api"])
		fmt.Printf("%s: store %.0f µs, vault/api %.0f µs, ratio %.3f (medians of %d)\n", name, store/1e3, api/1e3, store/api, len(times[name]["store"]))
	}
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
