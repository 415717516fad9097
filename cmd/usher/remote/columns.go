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

// Column is one thing that people see of a T.
type Column[T any] struct {
	Name    string
	Details bool // only where one T is shown alone
	Cell    func(*T) string
}

// printRows prints a table with a line for each.
func printRows[T any](out io.Writer, columns []Column[T], rows []T) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var heads []string
	for _, c := range columns {
		if !c.Details {
			heads = append(heads, strings.ToUpper(c.Name))
		}
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for i := range rows {
		var cells []string
		for _, c := range columns {
			if !c.Details {
				cells = append(cells, orDash(Printable(c.Cell(&rows[i]))))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// PrintOne prints all there is about one, but for what is empty.
func PrintOne[T any](out io.Writer, columns []Column[T], one *T) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		if text := Printable(c.Cell(one)); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", c.Name, text)
		}
	}
	return w.Flush()
}

// Printable takes from text what would break a table or move a terminal's cursor.
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

func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func CommaList(words []string) string { return strings.Join(words, ", ") }

// TimeText returns a time for people; empty: not known.
func TimeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// FirstFew joins the first few of what may be many.
func FirstFew(texts []string) string {
	const few = 5
	if more := len(texts) - few; more > 0 {
		texts = append(slices.Clone(texts[:few]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}
