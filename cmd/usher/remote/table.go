package remote

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Column is one column of a table of T, or one line where a single T is shown.
type Column[T any] struct {
	Name       string
	DetailOnly bool // left out of tables
	Value      func(*T) string
}

// PrintTable prints a header and one line for each row. An empty cell is a dash.
func PrintTable[T any](out io.Writer, columns []Column[T], rows []T) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var header []string
	for _, c := range columns {
		if !c.DetailOnly {
			header = append(header, strings.ToUpper(c.Name))
		}
	}
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for i := range rows {
		var cells []string
		for _, c := range columns {
			if !c.DetailOnly {
				cells = append(cells, orDash(Printable(c.Value(&rows[i]))))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// PrintItem prints one name and value a line. It leaves out empty values.
func PrintItem[T any](out io.Writer, columns []Column[T], item *T) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		if text := Printable(c.Value(item)); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", c.Name, text)
		}
	}
	return w.Flush()
}

// Printable replaces each control character by a space, so that text cannot break a
// table or move the terminal's cursor.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// YesNo returns "yes" or "no".
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// JoinList joins words with commas.
func JoinList(words []string) string { return strings.Join(words, ", ") }

// FormatTime returns a time in RFC 3339 and UTC, or "" for the zero time.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// FormatSize returns a number of bytes for people.
func FormatSize(n int) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 3 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[prefix])
}

// JoinFirst joins the first five texts, and says how many more there are.
func JoinFirst(texts []string) string {
	const limit = 5
	if more := len(texts) - limit; more > 0 {
		texts = append(slices.Clone(texts[:limit]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}
