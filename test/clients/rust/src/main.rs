// async-openai against the server in argv[1]; one line of JSON for each check.
use async_openai::{
    Client,
    config::OpenAIConfig,
    types::chat::{
        ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequest,
        CreateChatCompletionRequestArgs,
    },
    types::completions::CreateCompletionRequestArgs,
    types::embeddings::CreateEmbeddingRequestArgs,
    types::responses::CreateResponseArgs,
};
use futures::StreamExt;
use serde_json::json;

const MODEL: &str = "v2-bpe-chat";
const QUESTION: &str = "What is your name?";
const ANSWER: &str = "My name is Alpha.";
const PROMPT: &str = "<|user|> What is your name? <|assistant|>";

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn equal<T: PartialEq + std::fmt::Debug>(actual: T, expected: T) -> Outcome {
    if actual == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {actual:?}").into()) }
}

fn chat() -> Result<CreateChatCompletionRequest, Box<dyn std::error::Error>> {
    let message = ChatCompletionRequestUserMessageArgs::default().content(QUESTION).build()?;
    Ok(CreateChatCompletionRequestArgs::default()
        .model(MODEL)
        .messages([message.into()])
        .temperature(0.0)
        .build()?)
}

async fn lists_models(client: &Client<OpenAIConfig>) -> Outcome {
    let models = client.models().list().await?;
    equal(models.data[0].id.as_str(), MODEL)
}

async fn chats(client: &Client<OpenAIConfig>) -> Outcome {
    let completion = client.chat().create(chat()?).await?;
    equal(completion.choices[0].message.content.as_deref(), Some(ANSWER))?;
    equal(completion.usage.map(|usage| usage.completion_tokens), Some(12))
}

async fn streams_chat(client: &Client<OpenAIConfig>) -> Outcome {
    let mut stream = client.chat().create_stream(chat()?).await?;
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        for choice in chunk?.choices {
            text.push_str(choice.delta.content.as_deref().unwrap_or(""));
        }
    }
    equal(text.as_str(), ANSWER)
}

async fn completes_texts(client: &Client<OpenAIConfig>) -> Outcome {
    let request = CreateCompletionRequestArgs::default()
        .model(MODEL)
        .prompt(PROMPT)
        .temperature(0.0)
        .echo(true)
        .logprobs(5u8)
        .build()?;
    let completion = client.completions().create(request).await?;
    equal(completion.choices[0].text.clone(), format!("{PROMPT} {ANSWER}"))
}

async fn responds(client: &Client<OpenAIConfig>) -> Outcome {
    let request = CreateResponseArgs::default().model(MODEL).input(QUESTION).temperature(0.0).build()?;
    let response = client.responses().create(request).await?;
    equal(response.output_text(), Some(ANSWER.to_string()))
}

async fn embeds(client: &Client<OpenAIConfig>) -> Outcome {
    let request = CreateEmbeddingRequestArgs::default().model(MODEL).input(["a", "b"]).build()?;
    let embeddings = client.embeddings().create(request).await?;
    equal(embeddings.data.len(), 2)?;
    equal(embeddings.data[0].embedding.len(), 40)
}

fn report(name: &str, outcome: Outcome) {
    println!("{}", json!({ "name": name, "error": outcome.err().map(|fault| fault.to_string()) }));
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("the server's address");
    let config = OpenAIConfig::new().with_api_base(format!("{url}/v1")).with_api_key("any-key");
    let client = Client::with_config(config);
    report("lists models", lists_models(&client).await);
    report("chats", chats(&client).await);
    report("streams chat", streams_chat(&client).await);
    report("completes texts with echo and log-probabilities", completes_texts(&client).await);
    report("responds", responds(&client).await);
    report("embeds", embeds(&client).await);
}
