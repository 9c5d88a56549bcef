package main

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// plot draws, as pixels since fonts differ from browser to browser, what a signed-in request costs, site by site.
func (r results) plot(file string) error {
	p := plot.New()
	p.Title.Text = "A signed-in request, beside scs alone"
	p.Y.Label.Text = "time, scs = 1"
	p.Y.Min = 0
	width := vg.Points(18)
	for i, work := range []struct {
		bench, text string
		color       color.RGBA
	}{
		{"Identity", "identity only", color.RGBA{0x54, 0x6d, 0xe5, 0xff}},
		{"Client", "go-github client", color.RGBA{0xe0, 0x8e, 0x2b, 0xff}},
	} {
		var values plotter.Values
		for _, n := range names[1:] {
			values = append(values, r.median(work.bench+"/"+n.site, "ns/op")/max(1, r.median(work.bench+"/scs", "ns/op")))
		}
		bars, err := plotter.NewBarChart(values, width)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width, bars.Offset = work.color, 0, (vg.Length(i)-0.5)*width
		p.Add(bars)
		p.Legend.Add(work.text, bars)
	}
	p.Legend.Top, p.Legend.Padding = true, vg.Points(4)
	p.NominalX("scs alone", "gothic", "by hand", "ghlogin", "… cookies")
	p.X.Min, p.X.Max = -0.5, 4.7
	p.Y.Max *= 1.1 // Or the highest bar touches the title.
	return p.Save(16*vg.Centimeter, 8*vg.Centimeter, file)
}
