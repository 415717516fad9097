package remote

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/api/client"
)

// Reader is how one kind of thing is read: its verbs show and list.
type Reader[T, L any] struct {
	Noun      string // in words: "user"
	Args      string // what show takes; all but the last of them list takes, too
	InProject bool
	Flags     []cli.Flag // of list
	Columns   []Column[T]
	List      func(ctx context.Context, r *Remote) (*L, error)
	Rows      func(*L) []T
	Show      func(ctx context.Context, r *Remote) (*T, client.ETag, error)
}

func (d *Reader[T, L]) Commands() []Command {
	names := strings.Fields(d.Args)
	return []Command{
		{
			Name: "list", Usage: "list " + d.Noun + "s", InProject: d.InProject, Flags: d.Flags,
			Args: strings.Join(names[:len(names)-1], " "),
			Run: func(ctx context.Context, r *Remote) error {
				list, err := d.List(ctx, r)
				if err != nil {
					return err
				}
				return r.Print(list, func() error { return printRows(r.CLI.App.Writer, d.Columns, d.Rows(list)) })
			},
		},
		{
			Name: "show", Usage: "show one " + d.Noun, InProject: d.InProject, Args: d.Args,
			Run: func(ctx context.Context, r *Remote) error {
				one, _, err := d.Show(ctx, r)
				if err != nil {
					return err
				}
				return r.Print(one, func() error { return PrintOne(r.CLI.App.Writer, d.Columns, one) })
			},
		},
	}
}

// SetCommand is a verb set: it changes what is given, unless somebody else has changed
// the same thing meanwhile. input reads what is given; done says what has become of it.
func SetCommand[T, L, In any](d *Reader[T, L], v Command, input func(c *cli.Context) (*In, error),
	update func(ctx context.Context, r *Remote, in *In, unchanged client.ETag) (*T, error), done func(r *Remote, now *T) string,
) Command {
	v.Name, v.Args, v.InProject = "set", d.Args, d.InProject
	v.Run = func(ctx context.Context, r *Remote) error {
		if err := changes(r.CLI, v.Flags); err != nil {
			return err
		}
		in, err := input(r.CLI)
		if err != nil {
			return err
		}
		_, tag, err := d.Show(ctx, r)
		if err != nil {
			return err
		}
		now, err := update(ctx, r, in, tag)
		if err != nil {
			return err
		}
		return r.Done(now, "%s", done(r, now))
	}
	return v
}
