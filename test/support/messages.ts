// Messages of the API as a client reads them: with all their fields.

/** How answers of a method are on the wire. */
interface AnswerForms<Input, Output> {
  readonly responseSerialize: (value: Input) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Output;
}

/** The answer after its way over the wire, such as `answerOf(gatewayDefinition().GetGateway, { listeners: [] })`. */
export function answerOf<Input, Output>(method: AnswerForms<Input, Output>, value: Input): Output {
  return method.responseDeserialize(method.responseSerialize(value));
}
