"""What models of listings can do, in the words of many servers."""

from typing import Any

import pytest

from ai.core.types import EngineModel
from ai.discovery.abilities import abilities

SAID: list[tuple[dict[str, Any], list[str]]] = [
 ({"id":"x"},[]),({"id":"x","object":"model","owned_by":"vllm"},[]),({"type":"model"},[]),
 ({"type":"llm"},["completion"]),({"type":"vlm"},["completion"]),({"type":"embeddings"},["embedding"]),({"type":"embedding"},["embedding"]),
 ({"model_type":"LLM","model_ability":["chat","generate"]},["completion"]),({"model_type":"embedding"},["embedding"]),({"model_type":"rerank"},["rerank"]),({"model_type":"image","model_ability":["text2image"]},["image"]),({"model_type":"audio","model_ability":["audio2text"]},["audio"]),({"model_type":"video"},["video"]),
 ({"model_type":{"embedding":{"pooling":"cls"}}},["embedding"]),({"model_type":{"reranker":{"id2label":{}}}},["reranker"]),({"model_type":{"classifier":{}}},["classifier"]),
 ({"capabilities":{"completion_chat":True,"completion_fim":False,"vision":False}},["completion"]),({"capabilities":{"completion_chat":False,"completion_fim":False,"vision":False}},["other"]),
 ({"capabilities":{"completion_chat":False,"completion_fim":True,"function_calling":False}},["completion-fim"]),
 ({"capabilities":{"completion_chat":False,"ocr":True}},["ocr"]),({"capabilities":["completion","vision"]},["completion"]),({"capabilities":["embedding"]},["embedding"]),({"capabilities":["embed"]},["embedding"]),({"capabilities":["rerank"]},["rerank"]),({"capabilities":["tool_use"]},[]),({"capabilities":["vision","streaming"]},[]),
 ({"type":"chat"},["completion"]),({"type":"language"},["completion"]),({"type":"code"},["completion"]),({"type":"moderation"},["moderation"]),({"type":"transcribe"},["transcribe"]),({"type":"rerank"},["rerank"]),({"type":"image"},["image"]),
 ({"task":"generate"},["completion"]),({"task":"embed"},["embedding"]),({"task":"score"},["score"]),({"task":"classify"},["classify"]),({"task":"transcription"},["transcription"]),({"runner":"pooling"},["pooling"]),({"runner":"generate"},["completion"]),({"task":"reward"},["reward"]),
 ({"task":"llm/v1/chat"},["completion"]),({"task":"llm/v1/embeddings"},["embedding"]),({"task":"llm/v1/completions"},["completion"]),
 ({"pipeline_tag":"text-generation"},["completion"]),({"pipeline_tag":"feature-extraction"},["embedding"]),({"pipeline_tag":"sentence-similarity"},["embedding"]),({"pipeline_tag":"text-ranking"},["text-ranking"]),({"pipeline_tag":"automatic-speech-recognition"},["automatic-speech-recognition"]),({"pipeline_tag":"text-to-image"},["text-to-image"]),({"pipeline_tag":"image-text-to-text"},["completion"]),({"pipeline_tag":"any-to-any"},["completion"]),({"pipeline_tag":"text-to-speech"},["text-to-speech"]),({"pipeline_tag":"text-classification"},["text-classification"]),
 ({"usecases":["FLAG_CHAT","FLAG_COMPLETION"]},["completion"]),({"known_usecases":["FLAG_EMBEDDINGS"]},["embedding"]),({"usecases":["FLAG_TTS"]},["tts"]),({"known_usecases":["image","FLAG_IMAGE"]},["image"]),({"usecases":["FLAG_TRANSCRIPT"]},["transcript"]),({"usecases":["rerank"]},["rerank"]),
 ({"model_info":{"mode":"embedding"}},["embedding"]),({"model_info":{"mode":"chat"}},["completion"]),({"model_info":{"mode":"audio_transcription"}},["audio-transcription"]),({"mode":"image_generation"},["image-generation"]),({"mode":"audio_speech"},["audio-speech"]),({"mode":"completion"},["completion"]),({"mode":"responses"},[]),
 ({"architecture":{"modality":"text->text","input_modalities":["text"],"output_modalities":["text"]}},[]),({"architecture":{"output_modalities":["image"],"input_modalities":["text"]}},["image"]),({"architecture":{"output_modalities":["text","image"],"input_modalities":["text"]}},[]),({"architecture":{"input_modalities":["audio"],"output_modalities":["text"]}},["transcription"]),({"architecture":{"output_modalities":["embeddings"],"input_modalities":["text"]}},["embedding"]),
 ({"endpoints":["embed","classify"]},["embedding"]),({"endpoints":["chat","generate"]},["completion"]),({"endpoints":["rerank"]},["rerank"]),({"supportedGenerationMethods":["generateContent","countTokens"]},["completion"]),({"supportedGenerationMethods":["embedContent"]},["embedding"]),
 ({"supports_chat":True,"kind":"HF_BASE_MODEL"},["completion"]),({"supports_chat":False,"kind":"EMBEDDING_MODEL"},["embedding"]),({"supports_chat":False,"kind":"FLUMINA_BASE_MODEL"},["other"]),
 ({"supported_endpoints":["/v1/embeddings"]},["embedding"]),({"supported_endpoints":["/v1/chat/completions"]},["completion"]),({"supported_endpoints":["/v1/audio/transcriptions"]},["/v1/audio/transcriptions"]),({"supported_endpoints":["/v1/images/generations"]},["/v1/images/generations"]),
 ({"details":{"family":"bert"}},[]),({"meta":{"n_ctx":4096}},[]),({"category":"Text Generation"},["completion"]),({"category":"Text Embeddings"},["embedding"]),({"category":"Automatic Speech Recognition"},["automatic-speech-recognition"]),
]  # fmt: skip
"""A row of a listing, and what it says."""


@pytest.mark.parametrize(("row", "able"), SAID, ids=[str(row) for row, _ in SAID])
def test_a_row_of_a_listing_says_what_a_model_can_do(row: dict[str, Any], able: list[str]) -> None:
    """Only what chats is offered for questions; where nothing is said, the name tells."""
    assert abilities(row) == able
    assert EngineModel(name="m", capabilities=able).chats == (able in ([], ["completion"]))


@pytest.mark.parametrize(
    "row",
    [
        {"type": 3},
        {"type": None},
        {"capabilities": [None, 1, {}]},
        {"task": "x" * 5000},
        {"info": "text"},
        {"capabilities": {}},
    ],
)
def test_what_is_no_word_says_nothing(row: dict[str, Any]) -> None:
    """A listing of a server that nobody knows breaks nothing."""
    assert abilities(row) == []
