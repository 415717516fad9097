package remote

import (
	"cmp"
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/api/client"
)

// Resource is one kind of object of the API, with its commands show and list.
type Resource[T, L any] struct {
	Noun         string // singular: "user"
	Args         string // arguments of show; list takes all but the last
	NeedsProject bool
	Flags        []cli.Flag // options of list
	Columns      []Column[T]
	List         func(ctx context.Context, r *Session) (*L, error)
	Items        func(*L) []T
	Get          func(ctx context.Context, r *Session) (*T, client.ETag, error)
	ShowUsage    string                                               // of show; empty: a general one
	Show         func(ctx context.Context, r *Session, item *T) error // prints what Get returns; nil: its columns, or its JSON
}

// Commands returns the commands list and show.
func (d *Resource[T, L]) Commands() []Command {
	names := strings.Fields(d.Args)
	show := d.Show
	if show == nil {
		show = func(_ context.Context, r *Session, item *T) error {
			return r.Print(item, func() error { return PrintItem(r.CLI.App.Writer, d.Columns, item) })
		}
	}
	return []Command{
		{
			Name: "list", Usage: "list " + d.Noun + "s", NeedsProject: d.NeedsProject, Flags: d.Flags,
			Args: strings.Join(names[:len(names)-1], " "),
			Run: func(ctx context.Context, r *Session) error {
				list, err := d.List(ctx, r)
				if err != nil {
					return err
				}
				return r.Print(list, func() error { return PrintTable(r.CLI.App.Writer, d.Columns, d.Items(list)) })
			},
		},
		{
			Name: "show", Usage: cmp.Or(d.ShowUsage, "show one "+d.Noun), NeedsProject: d.NeedsProject, Args: d.Args,
			Run: func(ctx context.Context, r *Session) error {
				item, _, err := d.Get(ctx, r)
				if err != nil {
					return err
				}
				return show(ctx, r, item)
			},
		},
	}
}

// SetCommand completes a command "set". It fails if another writer changed the object
// after set read it. input reads the options; message describes the changed object.
func SetCommand[T, L, In any](d *Resource[T, L], v Command, input func(c *cli.Context) (*In, error),
	update func(ctx context.Context, r *Session, in *In, ifMatch client.ETag) (*T, error), message func(r *Session, changed *T) string,
) Command {
	v.Name, v.Args, v.NeedsProject = "set", d.Args, d.NeedsProject
	v.Run = func(ctx context.Context, r *Session) error {
		if err := RequireChange(r.CLI, v.Flags); err != nil {
			return err
		}
		in, err := input(r.CLI)
		if err != nil {
			return err
		}
		_, tag, err := d.Get(ctx, r)
		if err != nil {
			return err
		}
		changed, err := update(ctx, r, in, tag)
		if err != nil {
			return err
		}
		return r.PrintDone(changed, "%s", message(r, changed))
	}
	return v
}
