package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// names are how the sites are called in the tables.
var names = []struct{ site, text string }{
	{"bare", "a bare handler"},
	{"scs", "scs alone, gob codec"},
	{"gothic", "goth's gothic"},
	{"byhand", "x/oauth2 by hand, gorilla/sessions"},
	{"ghlogin", "**ghlogin**"},
	{"ghlogin-cookie", "**ghlogin**, cookie sessions"},
}

func (r results) requests() string {
	var b strings.Builder
	for _, work := range []struct{ bench, title string }{
		{"Identity", "signed in, identity only"}, {"Client", "signed in, go-github client"}, {"Anonymous", "anonymous"},
	} {
		base := r.median(work.bench+"/scs", "ns/op")
		fmt.Fprintf(&b, "| %s | time | beside scs | beside gothic | allocations |\n|---|---|---|---|---|\n", work.title)
		for _, n := range names {
			t := r.median(work.bench+"/"+n.site, "ns/op")
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %.0f |\n", n.text, duration(t), ratio(t, base), ratio(t, r.median(work.bench+"/gothic", "ns/op")),
				r.median(work.bench+"/"+n.site, "allocs/op"))
		}
		b.WriteString("\n")
	}
	over := r.median("Anonymous/ghlogin", "ns/op") - r.median("Anonymous/bare", "ns/op")
	fmt.Fprintf(&b, "An anonymous request costs %s more than the bare handler.\n", duration(over))
	return b.String()
}

func (r results) signIns() string {
	var b strings.Builder
	b.WriteString("| a whole sign-in | time | beside scs | processor | allocations | calls of GitHub | store: reads | writes |\n|---|---|---|---|---|---|---|---|\n")
	for _, n := range names[1:] {
		bench := "SignIn/" + n.site
		t := r.median(bench, "ns/op")
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.0f | %s | %s | %s |\n", n.text, duration(t), ratio(t, r.median("SignIn/scs", "ns/op")),
			duration(r.median(bench, "cpu-ns/op")), r.median(bench, "allocs/op"), r.count(bench, "calls/op"), r.count(bench, "reads/op"), r.count(bench, "writes/op"))
	}
	return b.String()
}

// count is the most of all runs, of what should be the same in each; a dash where nothing is counted.
func (r results) count(name, unit string) string {
	values := r[name][unit]
	if len(values) == 0 {
		return "–"
	}
	return strconv.FormatFloat(math.Round(slices.Max(values)*100)/100, 'f', -1, 64)
}

var callers = []string{"1", "2", "8", "64", "512"}

func (r results) parallel() string {
	var b strings.Builder
	b.WriteString("| requests a second, of its best | 1 | 2 | 8 | 64 | 512 callers |\n|---|---|---|---|---|---|\n")
	for _, n := range names {
		best := 0.0
		var rates []float64
		for _, c := range callers {
			t := r.median("Parallel/"+n.site+"/callers="+c, "ns/op")
			if t == 0 {
				break
			}
			rates = append(rates, 1e9/t)
			best = max(best, 1e9/t)
		}
		if len(rates) == 0 {
			continue
		}
		b.WriteString("| " + n.text)
		for _, rate := range rates {
			fmt.Fprintf(&b, " | %.0f %%", 100*rate/best)
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

func (r results) grants() string {
	var b strings.Builder
	b.WriteString("| grants in memory | `Token`, a thousand active | `Token`, all at random | a sign-in | memory a grant |\n|---|---|---|---|---|\n")
	for _, n := range []string{"1000", "10000", "100000", "1000000"} {
		few, all := "Token/grants="+n+"/active=1000", "Token/grants="+n+"/active="+n
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.0f B |\n", thousands(n), duration(r.median(few, "ns/op")), duration(r.median(all, "ns/op")),
			duration(r.median("Token/grants="+n+"/signin", "ns/op")), r.median(few, "B/grant"))
	}
	return b.String()
}

func (r results) vault() string {
	var b strings.Builder
	b.WriteString("| grants in Vault | `Token`, read each time | a sign-in | value of a grant |\n|---|---|---|---|\n")
	for _, n := range []string{"1000", "10000"} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s B |\n", thousands(n), duration(r.median("Vault/grants="+n+"/token", "ns/op")),
			duration(r.median("Vault/grants="+n+"/signin", "ns/op")), r.count("Vault/grants="+n+"/token", "B/grant"))
	}
	return b.String()
}

func (r results) herd() string {
	return fmt.Sprintf("| | |\n|---|---|\n| token requests a rotation, at most | %s |\n| wait beyond GitHub's answer, median caller | %s |\n"+
		"| the slowest of the 4,000, median of the runs | %s |\n| the slowest of all runs | %s |\n",
		r.count("Herd", "requests/op"), duration(1e6*r.median("Herd", "median-added-ms")),
		duration(1e6*r.median("Herd", "slowest-added-ms")), duration(1e6*slices.Max(append(r["Herd"]["slowest-added-ms"], 0))))
}

func (r results) program() string {
	var b strings.Builder
	b.WriteString("| | from main to ready | the process | binary | beside the former |\n|---|---|---|---|---|\n")
	base := r.median("Program/plain", "binary-bytes")
	for _, p := range []struct{ name, text string }{
		{"plain", "go-github, x/oauth2, scs"},
		{"ghlogin", "**ghlogin**"},
		{"plain-template", "the former, with a page by html/template"},
		{"ghlogin-template", "**ghlogin**, with the same page"},
	} {
		size := r.median("Program/"+p.name, "binary-bytes")
		if strings.HasPrefix(p.name, "plain") {
			base = size
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f MB | %s |\n", p.text, duration(1e6*r.median("Program/"+p.name, "main-to-ready-ms")),
			duration(r.median("Program/"+p.name, "ns/op")), size/1e6, ratio(size, base))
	}
	return b.String()
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func duration(ns float64) string {
	switch {
	case ns == 0:
		return "not measured"
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return fmt.Sprintf("%.1f ms", ns/1e6)
}

func thousands(n string) string {
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	return n
}
