// The official Java client, which checks every answer against its types; one line of JSON per check.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.helpers.ResponseAccumulator;
import com.openai.models.ResponseFormatJsonSchema;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.embeddings.EmbeddingCreateParams;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseStreamEvent;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

public class OpenAiClient {
    static final String MODEL = "v2-bpe-chat";
    static final String SCHEMA_MODEL = "novels-austen";
    static final String QUESTION = "What is your name?";
    static final String ANSWER = "My name is Alpha.";
    static final String PROMPT = "<|user|> What is your name? <|assistant|>";

    static OpenAIClient client;

    interface Check {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        client = OpenAIOkHttpClient.builder()
                .baseUrl(args[0] + "/v1").apiKey("any-key").maxRetries(0).responseValidation(true).build();
        check("lists and retrieves models", OpenAiClient::listsModels);
        check("chats", OpenAiClient::chats);
        check("streams chat into the accumulator", OpenAiClient::streamsChat);
        check("reports log-probabilities", OpenAiClient::reportsLogprobs);
        check("gets JSON by schema", OpenAiClient::getsJson);
        check("completes texts with log-probabilities", OpenAiClient::completesTexts);
        check("responds", OpenAiClient::responds);
        check("streams responses into the accumulator", OpenAiClient::streamsResponses);
        check("embeds", OpenAiClient::embeds);
        check("errors have their class", OpenAiClient::errors);
        System.exit(0);
    }

    static ChatCompletionCreateParams.Builder chat() {
        return ChatCompletionCreateParams.builder().model(MODEL).addUserMessage(QUESTION).temperature(0.0);
    }

    static void listsModels() {
        List<String> ids = new ArrayList<>();
        client.models().list().data().forEach(model -> ids.add(model.id()));
        equal(ids, List.of(MODEL, SCHEMA_MODEL));
        equal(client.models().retrieve(MODEL).ownedBy(), "alpha");
    }

    static void chats() {
        ChatCompletion completion = client.chat().completions().create(chat().build());
        equal(completion.choices().get(0).message().content().get(), ANSWER);
        equal(completion.usage().get().completionTokens(), 12L);
    }

    static void streamsChat() {
        ChatCompletionStreamOptions options = ChatCompletionStreamOptions.builder().includeUsage(true).build();
        ChatCompletionAccumulator whole = ChatCompletionAccumulator.create();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(chat().streamOptions(options).build())) {
            stream.stream().forEach(chunk -> whole.accumulate(chunk.validate()));
        }
        ChatCompletion completion = whole.chatCompletion();
        equal(completion.choices().get(0).message().content().get(), ANSWER);
        equal(completion.usage().get().completionTokens(), 12L);
    }

    static void reportsLogprobs() {
        var completion = client.chat().completions().create(chat().logprobs(true).topLogprobs(3).build());
        var content = completion.choices().get(0).logprobs().get().content().get();
        equal(content.size(), 12);
        equal(content.get(0).topLogprobs().size(), 3);
    }

    static void getsJson() throws Exception {
        var schema = ResponseFormatJsonSchema.JsonSchema.Schema.builder()
                .putAdditionalProperty("type", JsonValue.from("object"))
                .putAdditionalProperty("properties", JsonValue.from(Map.of("married", Map.of("type", "boolean"))))
                .putAdditionalProperty("required", JsonValue.from(List.of("married")))
                .putAdditionalProperty("additionalProperties", JsonValue.from(false))
                .build();
        var format = ResponseFormatJsonSchema.builder()
                .jsonSchema(ResponseFormatJsonSchema.JsonSchema.builder().name("person").schema(schema).build())
                .build();
        var completion = client.chat().completions().create(chat().model(SCHEMA_MODEL).responseFormat(format).build());
        var person = new ObjectMapper().readTree(completion.choices().get(0).message().content().get());
        equal(person.get("married").isBoolean(), true);
    }

    // Its validation does not expect the null that stands for an echoed prompt's first token.
    static void completesTexts() {
        var params = CompletionCreateParams.builder().model(MODEL).prompt(PROMPT).temperature(0.0);
        var completion = client.completions().create(params.logprobs(5).build());
        equal(completion.choices().get(0).text(), " " + ANSWER);
        var scores = completion.choices().get(0).logprobs().get();
        equal(scores.textOffset().get().size(), scores.tokens().get().size());
    }

    static void responds() {
        var response = client.responses().create(
                ResponseCreateParams.builder().model(MODEL).input(QUESTION).temperature(0.0).build());
        equal(response.output().get(0).asMessage().content().get(0).asOutputText().text(), ANSWER);
        equal(response.usage().get().outputTokens(), 12L);
    }

    static void streamsResponses() {
        ResponseAccumulator whole = ResponseAccumulator.create();
        try (StreamResponse<ResponseStreamEvent> stream = client.responses().createStreaming(
                ResponseCreateParams.builder().model(MODEL).input(QUESTION).temperature(0.0).build())) {
            stream.stream().forEach(event -> whole.accumulate(event.validate()));
        }
        var message = whole.response().output().get(0).asMessage();
        equal(message.content().get(0).asOutputText().text(), ANSWER);
    }

    static void embeds() {
        var embeddings = client.embeddings().create(
                EmbeddingCreateParams.builder().model(MODEL).inputOfArrayOfStrings(List.of("a", "b")).build());
        equal(embeddings.data().size(), 2);
        equal(embeddings.data().get(0).embedding().size(), 40);
    }

    static void errors() {
        try {
            client.chat().completions().create(chat().temperature(3.0).build());
            throw new AssertionError("expected a BadRequestException");
        } catch (BadRequestException fault) {
            equal(fault.param().get(), "temperature");
        }
        try {
            client.models().retrieve("nobody");
            throw new AssertionError("expected a NotFoundException");
        } catch (NotFoundException fault) {
            equal(fault.code().get(), "model_not_found");
        }
    }

    static void equal(Object actual, Object expected) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }

    static void check(String name, Check body) throws Exception {
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("name", name);
        report.put("error", null);
        try {
            body.run();
        } catch (Throwable fault) {
            StringWriter trace = new StringWriter();
            fault.printStackTrace(new PrintWriter(trace));
            report.put("error", trace.toString());
        }
        System.out.println(new ObjectMapper().writeValueAsString(report));
    }
}
