package main

import (
	"slices"
	"strings"

	"usher/cmd/usher/remote"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
	"usher/directory"
)

// offerFiles stands for the names of files, which the shell knows best.
const offerFiles = ":files"

// complete returns what the last of words could become. The others are taken for
// granted: completing reports no mistakes.
func complete(page *cli.Command, words []string) []cmdutil.Offer {
	if len(words) == 0 {
		return nil
	}
	at := position{command: page, given: map[string]bool{}}
	if words[0] == "help" && len(words) > 1 {
		at.pages, words = true, words[1:]
	}
	last := words[len(words)-1]
	for _, word := range words[:len(words)-1] {
		at.pass(word)
	}
	if last == "=" && at.value != nil {
		last = ""
	}
	return slices.DeleteFunc(at.offers(last), func(o cmdutil.Offer) bool {
		return o.Word != offerFiles && !strings.HasPrefix(o.Word, last)
	})
}

// position is a place in a command line.
type position struct {
	command *cli.Command
	value   cli.Flag // the option whose value comes next
	given   map[string]bool
	args    int  // of the command, so far
	pages   bool // only commands are asked for: behind "help"
	lost    bool // behind a word that is no command
}

// pass goes on behind a word.
func (p *position) pass(word string) {
	switch {
	case p.value != nil:
		if word != "=" { // bash makes three words of --option=value
			p.value = nil
		}
	case p.args == 0 && len(word) > 1 && word[0] == '-':
		name, _, whole := strings.Cut(strings.TrimLeft(word, "-"), "=")
		f := option(p.command, name)
		if f == nil {
			return
		}
		p.given[f.Names()[0]] = true
		if takesValue(f) && !whole {
			p.value = f
		}
	case len(p.command.Subcommands) > 0:
		next := cmdutil.Find(p.command.Subcommands, word)
		if next == nil {
			p.lost = true
			return
		}
		p.command, p.given = next, map[string]bool{}
	default:
		p.args++
	}
}

// offers returns what could come next, whatever the word begins with.
func (p *position) offers(word string) []cmdutil.Offer {
	switch {
	case p.lost:
		return nil
	case p.value != nil:
		return offersFor(valueName(p.value))
	case p.pages, len(p.command.Subcommands) > 0 && !strings.HasPrefix(word, "-"):
		return cmdutil.CommandOffers(p.command.Subcommands)
	case p.args == 0 && strings.HasPrefix(word, "-"):
		return p.options(word)
	}
	names := argumentNames(p.command)
	if p.args < len(names) {
		return offersFor(names[p.args])
	}
	if p.args == 0 {
		return p.options(word)
	}
	return nil
}

// options offers those that were not given yet, by their long names.
func (p *position) options(word string) []cmdutil.Offer {
	if strings.Contains(word, "=") {
		return []cmdutil.Offer{{Word: offerFiles}}
	}
	var offers []cmdutil.Offer
	for _, f := range p.command.Flags {
		_, many := f.(*cli.StringSliceFlag)
		if p.given[f.Names()[0]] && !many {
			continue
		}
		_, text := cmdutil.OptionHelp(f)
		offers = append(offers, cmdutil.Offer{Word: "--" + f.Names()[0], About: text})
	}
	return append(offers, cmdutil.Offer{Word: "--help", About: "say what this does"})
}

func option(c *cli.Command, name string) cli.Flag {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// valueName is what the help of an option that takes a value calls it.
func valueName(f cli.Flag) string {
	name, _ := cmdutil.OptionHelp(f)
	return name[strings.LastIndexByte(name, ' ')+1:]
}

// argumentNames reads from the usage of a command what its arguments are called.
func argumentNames(c *cli.Command) []string {
	var names []string
	text := strings.TrimPrefix(c.UsageText, c.HelpName)
	value := false
	for word := range strings.FieldsSeq(text) {
		switch name := strings.Trim(word, "[]"); {
		case word == "usher": // the same command in another way
			return names
		case value:
			value = false
		case name[0] == '-':
			value = !strings.HasSuffix(word, "]")
		default:
			names = append(names, name)
		}
	}
	return names
}

// offersFor returns what a value or an argument with this name can be, as far as
// that is known on this machine.
func offersFor(name string) []cmdutil.Offer {
	switch {
	case name == "FILE" || name == "DIR":
		return []cmdutil.Offer{{Word: offerFiles}}
	case name == "CONTEXT":
		f, err := remote.UserContexts()
		if err != nil {
			return nil
		}
		names, _ := f.Names()
		return wordOffers(names)
	case name == "ROLE":
		return wordOffers(directory.Roles())
	case name == "SERVICE_ROLE":
		return wordOffers(directory.ServiceRoles())
	case strings.Contains(name, "|"):
		return wordOffers(strings.Split(name, "|"))
	default:
		return nil
	}
}

func wordOffers[S ~string](words []S) []cmdutil.Offer {
	var offers []cmdutil.Offer
	for _, w := range words {
		offers = append(offers, cmdutil.Offer{Word: string(w)})
	}
	return offers
}
