package benchmarks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkProgram measures a program with this library beside the same without it, which has go-github, x/oauth2 and scs: the
// time from main to ready, from start to end of the process, and the size of the binary, without symbols.
func BenchmarkProgram(b *testing.B) {
	for _, name := range []string{"plain", "ghlogin", "plain-template", "ghlogin-template"} {
		folder, tag, _ := strings.Cut(name, "-")
		bin := filepath.Join(b.TempDir(), name)
		build := exec.CommandContext(b.Context(), "go", "build", "-tags", tag, "-trimpath", "-ldflags", "-s -w", "-o", bin, "./programs/"+folder)
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		info, err := os.Stat(bin)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			ready, n := 0, 0
			for b.Loop() {
				out, err := exec.CommandContext(b.Context(), bin, "-once").Output()
				if err != nil {
					b.Fatal(err)
				}
				ns, err := strconv.Atoi(strings.TrimSpace(string(out)))
				if err != nil {
					b.Fatal(err)
				}
				ready += ns
				n++
			}
			b.ReportMetric(float64(ready)/float64(n)/1e6, "main-to-ready-ms")
			b.ReportMetric(float64(info.Size()), "binary-bytes")
		})
	}
}
