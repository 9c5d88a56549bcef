// Command report makes docs/performance.md's tables and plot of what `go test -bench` printed. Times are medians; what is
// compared was measured in one run.
//
//	go run ./report -in bench.txt -doc ../docs/performance.md -plot ../docs/images/performance.png
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

func main() {
	in := flag.String("in", "bench.txt", "what go test -bench printed")
	doc := flag.String("doc", "../docs/performance.md", "the document whose tables are written")
	plotFile := flag.String("plot", "../docs/images/performance.png", "the plot")
	flag.Parse()
	if err := run(*in, *doc, *plotFile); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(in, doc, plotFile string) error {
	r, machine, err := read(in)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(doc) //nolint:gosec // The caller names it.
	if err != nil {
		return err
	}
	for name, table := range map[string]string{
		"run":      fmt.Sprintf("Taken with %s on two cores of %s; each figure is the median of %d runs.\n", runtime.Version(), machine, r.runs()),
		"requests": r.requests(), "signin": r.signIns(), "parallel": r.parallel(), "grants": r.grants(), "vault": r.vault(),
		"herd": r.herd(), "program": r.program(),
	} {
		if text, err = replace(text, name, table); err != nil {
			return err
		}
	}
	if err := os.WriteFile(doc, text, 0o644); err != nil { //nolint:gosec // A document.
		return err
	}
	return r.plot(plotFile)
}

// replace puts a table between the marks of its name.
func replace(text []byte, name, table string) ([]byte, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, fmt.Errorf("the document has no %s%s", begin, end)
	}
	return slices.Concat(before, []byte(begin), []byte(table), []byte(end), after), nil
}

// results are the values of each benchmark and unit, run by run.
type results map[string]map[string][]float64

// read returns the results, and on what they were measured. A run that failed, or did not come to its end, is an error.
func read(file string) (r results, machine string, err error) {
	text, err := os.ReadFile(file) //nolint:gosec // The caller names it.
	if err != nil {
		return nil, "", err
	}
	if !bytes.Contains(text, []byte("\nPASS\n")) {
		return nil, "", errors.New(file + " does not say PASS: the run failed, or did not come to its end")
	}
	r = make(results)
	for reader := benchfmt.NewReader(bytes.NewReader(text), file); reader.Scan(); {
		switch rec := reader.Result().(type) {
		case *benchfmt.Result:
			machine = rec.GetConfig("cpu") + ", " + rec.GetConfig("goos") + "/" + rec.GetConfig("goarch")
			name := strings.TrimSuffix(string(rec.Name), "-2") // Of GOMAXPROCS=2, which `make bench` sets.
			if r[name] == nil {
				r[name] = make(map[string][]float64)
			}
			for _, v := range rec.Values {
				value, unit := v.Value, v.Unit
				if v.OrigUnit != "" { // As printed, in nanoseconds.
					value, unit = v.OrigValue, v.OrigUnit
				}
				r[name][unit] = append(r[name][unit], value)
			}
		case *benchfmt.SyntaxError:
			return nil, "", rec
		}
	}
	if len(r) == 0 {
		return nil, "", errors.New("no benchmark in " + file)
	}
	return r, machine, nil
}

// runs is how often the benchmark was run that was run least often.
func (r results) runs() int {
	n := math.MaxInt
	for _, units := range r {
		for _, values := range units {
			n = min(n, len(values))
		}
	}
	return n
}

// median returns the median of the runs; 0 for a benchmark that was not run, of which the table says so.
func (r results) median(name, unit string) float64 {
	values := slices.Sorted(slices.Values(r[name][unit]))
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}
