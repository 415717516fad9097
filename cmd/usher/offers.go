package main

import (
	"github.com/urfave/cli/v2"
)

// offer is a word that could stand where somebody is typing.
type offer struct{ word, about string }

func commandOffers(commands []*cli.Command) []offer {
	var offers []offer
	for _, c := range commands {
		if !c.Hidden {
			offers = append(offers, offer{c.Name, c.Usage})
		}
	}
	return offers
}
