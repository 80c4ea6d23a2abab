// The official Go client against the server in os.Args[1]; one line of JSON for each check.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

const (
	model       = "v2-bpe-chat"
	schemaModel = "novels-austen"
	question    = "What is your name?"
	answer      = "My name is Alpha."
	prompt      = "<|user|> What is your name? <|assistant|>"
)

var (
	ctx    = context.Background()
	client openai.Client
)

func chat(changes ...func(*openai.ChatCompletionNewParams)) openai.ChatCompletionNewParams {
	params := openai.ChatCompletionNewParams{
		Model:       model,
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)},
		Temperature: openai.Float(0),
	}
	for _, change := range changes {
		change(&params)
	}
	return params
}

func equal(actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("expected %#v, got %#v", expected, actual))
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func listsModels() {
	ids := []string{}
	pager := client.Models.ListAutoPaging(ctx)
	for pager.Next() {
		ids = append(ids, pager.Current().ID)
	}
	equal(pager.Err(), nil)
	equal(ids, []string{model, schemaModel})
	equal(must(client.Models.Get(ctx, model)).OwnedBy, "alpha")
}

func chats() {
	completion := must(client.Chat.Completions.New(ctx, chat()))
	equal(completion.Choices[0].Message.Content, answer)
	equal(completion.Choices[0].FinishReason, "stop")
	equal(completion.Usage.CompletionTokens, int64(12))
}

func streamsChat() {
	stream := client.Chat.Completions.NewStreaming(ctx, chat(func(p *openai.ChatCompletionNewParams) {
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	}))
	whole := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		if !whole.AddChunk(stream.Current()) {
			panic("the accumulator refuses a chunk")
		}
	}
	equal(stream.Err(), nil)
	equal(whole.Choices[0].Message.Content, answer)
	equal(whole.Usage.CompletionTokens, int64(12))
}

func reportsLogProbabilities() {
	completion := must(client.Chat.Completions.New(ctx, chat(func(p *openai.ChatCompletionNewParams) {
		p.Logprobs = openai.Bool(true)
		p.TopLogprobs = openai.Int(3)
	})))
	content := completion.Choices[0].Logprobs.Content
	equal(len(content), 12)
	equal(len(content[0].TopLogprobs), 3)
}

func getsJSONBySchema() {
	schema := map[string]any{
		"type":                 "object",
		"properties":           map[string]any{"married": map[string]any{"type": "boolean"}},
		"required":             []string{"married"},
		"additionalProperties": false,
	}
	completion := must(client.Chat.Completions.New(ctx, chat(func(p *openai.ChatCompletionNewParams) {
		p.Model = schemaModel
		p.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{
			OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
				JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
					Name: "person", Schema: schema, Strict: openai.Bool(true),
				},
			},
		}
	})))
	var person struct{ Married *bool }
	equal(json.Unmarshal([]byte(completion.Choices[0].Message.Content), &person), nil)
	equal(person.Married != nil, true)
}

func completesTexts() {
	completion := must(client.Completions.New(ctx, openai.CompletionNewParams{
		Model:       model,
		Prompt:      openai.CompletionNewParamsPromptUnion{OfString: openai.String(prompt)},
		Temperature: openai.Float(0),
		Logprobs:    openai.Int(5),
		Echo:        openai.Bool(true),
	}))
	equal(completion.Choices[0].Text, prompt+" "+answer)
	scores := completion.Choices[0].Logprobs
	equal(len(scores.TokenLogprobs), len(scores.Tokens))
	equal(len(scores.TextOffset), len(scores.Tokens))
}

func responds() {
	response := must(client.Responses.New(ctx, responses.ResponseNewParams{
		Model:       model,
		Input:       responses.ResponseNewParamsInputUnion{OfString: openai.String(question)},
		Temperature: openai.Float(0),
	}))
	equal(response.OutputText(), answer)
	equal(string(response.Status), "completed")
	equal(response.Usage.OutputTokens, int64(12))
}

func streamsResponses() {
	stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{
		Model:       model,
		Input:       responses.ResponseNewParamsInputUnion{OfString: openai.String(question)},
		Temperature: openai.Float(0),
	})
	text, last := "", ""
	for stream.Next() {
		event := stream.Current()
		last = event.Type
		if event.Type == "response.output_text.delta" {
			text += event.AsResponseOutputTextDelta().Delta
		}
	}
	equal(stream.Err(), nil)
	equal(text, answer)
	equal(last, "response.completed")
}

func embeds() {
	embeddings := must(client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: model,
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}},
	}))
	equal(len(embeddings.Data), 2)
	equal(len(embeddings.Data[0].Embedding), 40)
}

func errorsHaveTheirFields() {
	_, err := client.Chat.Completions.New(ctx, chat(func(p *openai.ChatCompletionNewParams) {
		p.Temperature = param.NewOpt(3.0)
	}))
	var fault *openai.Error
	if !errors.As(err, &fault) {
		panic(fmt.Sprintf("expected an API error, got %v", err))
	}
	equal(fault.StatusCode, 400)
	equal(fault.Param, "temperature")
	_, err = client.Models.Get(ctx, "nobody")
	equal(errors.As(err, &fault), true)
	equal(fault.Code, "model_not_found")
}

func check(name string, run func()) {
	report := map[string]any{"name": name, "error": nil}
	func() {
		defer func() {
			if fault := recover(); fault != nil {
				report["error"] = fmt.Sprint(fault)
			}
		}()
		run()
	}()
	line := must(json.Marshal(report))
	fmt.Println(string(line))
}

func main() {
	client = openai.NewClient(
		option.WithBaseURL(os.Args[1]+"/v1/"), option.WithAPIKey("any-key"), option.WithMaxRetries(0),
	)
	check("lists and retrieves models", listsModels)
	check("chats", chats)
	check("streams chat into the accumulator", streamsChat)
	check("reports log-probabilities", reportsLogProbabilities)
	check("gets JSON by schema", getsJSONBySchema)
	check("completes texts with echo and log-probabilities", completesTexts)
	check("responds", responds)
	check("streams responses", streamsResponses)
	check("embeds", embeds)
	check("errors have their fields", errorsHaveTheirFields)
}
